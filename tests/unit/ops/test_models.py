"""Whole models on oneDNN's operators against the same models on Paddle's."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
from paddle import nn

from ppcls import create_model
from ppcls.models import ARCHITECTURES
from ppcls.models.layers import STOCK, DropPath, compute_with, computing_layers
from ppcls.ops.operators import OneDNN, obstacle


def images(size: int = 64, batch: int = 2) -> paddle.Tensor:
    return paddle.to_tensor(np.random.default_rng(0).standard_normal((batch, 3, size, size)).astype("float32"))


def pair(operators: OneDNN, name: str, **arguments: Any) -> tuple[nn.Layer, nn.Layer]:
    """The same model twice, the second one with the operators."""
    paddle.seed(0)
    stock = create_model(name, class_num=7, **arguments)
    with paddle.LazyGuard():  # whose weights are the first one's
        fast = create_model(name, class_num=7, **arguments)
    fast.set_state_dict(stock.state_dict())
    compute_with(fast, operators)
    return stock, fast


@pytest.mark.parametrize(
    ("name", "size"), [("ResNet18", 64), ("ResNet18_vd", 75), ("ResNet50", 75), ("ResNet50_vc", 64)]
)
def test_logits_and_statistics_are_those_of_paddle(onednn: OneDNN, name: str, size: int) -> None:
    stock, fast = pair(onednn, name)
    for training in (True, False):
        for model in (stock, fast):
            model.train() if training else model.eval()
        with paddle.no_grad():
            # Statistics over so many that they don't magnify rounding: the last maps have 2 x 2 pixels.
            expected, actual = stock(images(size, 8)).numpy(), fast(images(size, 8)).numpy()
        assert np.abs(actual - expected).max() <= 1e-4 * (np.abs(expected).max() + 1)
    for key, value in stock.state_dict().items():
        np.testing.assert_allclose(fast.state_dict()[key], value, rtol=1e-3, atol=1e-4, err_msg=key)


# One of each family, the smallest first of its names.
FAMILIES = [
    "MobileNetV1_x0_25",
    "MobileNetV2_x0_25",
    "MobileNetV3_small_x0_35",
    "MobileNetV4_conv_small",
    "PPLCNet_x0_25",
    "PPLCNetV2_base",
    "PPHGNet_tiny",
    "PPHGNetV2_B0",
    "ShuffleNetV2_x0_25",
    "ESNet_x0_25",
    "EfficientNetB0",
    "TinyNet_E",
    "RegNetX_200MF",
    "RepVGG_A0",
    "ResNeXt50_32x4d",
    "SE_ResNet18_vd",
    "DenseNet121",
    "VGG11",
    "ConvNeXt_tiny",
    "SwinTransformer_tiny_patch4_window7_224",
    "ViT_small_patch16_224",
    "DeiT_tiny_distilled_patch16_224",
    "MOCOV3_vit_small",
    "cae_base_patch16_224",
    "SwinTransformer_tiny_patch4_window7_224_SOLIDER",
    "ResNet50_adaptive_max_pool2d",
]


def test_every_family_that_layers_compute_alone_is_among_them() -> None:
    def modules(names: list[str]) -> set[str]:
        constructors = [ARCHITECTURES.load(name) for name in names]
        classes = [getattr(one, "func", one) for one in constructors]
        return {one.__module__ for one in classes if getattr(one, "only_layers", False)}

    assert modules(ARCHITECTURES.names()) == modules([*FAMILIES, "ResNet18"])


LARGE = {
    "VGG11",
    "ViT_small_patch16_224",
    "MOCOV3_vit_small",
    "ResNeXt50_32x4d",
    "PPHGNet_tiny",
    "ConvNeXt_tiny",
    *FAMILIES[-3:],
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in LARGE else name for name in FAMILIES]
)
def test_every_family_computes_what_it_computes_on_paddles_operators(onednn: OneDNN, name: str) -> None:
    stock, fast = pair(onednn, name)
    assert not [reason for reason in map(obstacle, computing_layers(fast)) if reason]
    x = images(224, 2) if name == "VGG11" else images(64, 2 if "former" in name else 8)
    for training in (False, True):
        for model in (stock, fast):
            model.train() if training else model.eval()
            for layer in model.sublayers():  # whose draws differ
                if isinstance(layer, nn.Dropout):
                    layer.p = 0.0
                if isinstance(layer, DropPath):
                    layer.rate = 0.0
        expected, actual = stock(x), fast(x)
        assert float((actual - expected).abs().max()) <= 1e-4 * (float(expected.abs().max()) + 1e-3), training
    for model in (stock, fast):
        model.eval()
        model(x).square().sum().backward()
    pairs = zip(dict(stock.named_parameters()), stock.parameters(), fast.parameters())
    for key, expected, actual in pairs:
        if expected.grad is not None:  # 1e-2: a ReLU may hang on the last digit
            assert float((actual.grad - expected.grad).norm()) <= 1e-2 * float(expected.grad.norm()) + 1e-12, key


@pytest.mark.parametrize("name", ["MobileNetV3_small_x0_35", "ShuffleNetV2_x0_25", "DeiT_tiny_distilled_patch16_224"])
def test_bfloat16_trains_convolutions_and_tokens(onednn_bfloat16: OneDNN, name: str) -> None:
    _, model = pair(onednn_bfloat16, name)
    optimizer = paddle.optimizer.AdamW(1e-3, parameters=model.parameters())
    found = []
    for _ in range(3):
        outputs = model(images(64, 4))
        logits = outputs["logits"] if isinstance(outputs, dict) else outputs
        assert logits.dtype == paddle.float32
        loss = nn.functional.cross_entropy(logits, paddle.arange(4))
        loss.backward()
        optimizer.step()
        optimizer.clear_grad()
        found.append(float(loss))
    assert found[-1] < found[0]


@pytest.mark.parametrize("name", ["ResNet18", "ResNet50_vd"])
def test_gradients_are_those_of_paddle(onednn: OneDNN, name: str) -> None:
    paddle.seed(2)  # with whose weights no ReLU hangs on the last digit, where its gradient would go elsewhere
    stock, fast = pair(onednn, name)
    inputs = [images(), images()]
    for model, x in zip((stock, fast), inputs):
        model.eval()  # where rounding does not grow through the statistics of two images
        x.stop_gradient = False
        model(x).square().sum().backward()
    pairs = {"images": inputs, **dict(zip(dict(stock.named_parameters()), zip(stock.parameters(), fast.parameters())))}
    for name, (expected, actual) in pairs.items():
        if not expected.stop_gradient:
            assert float((actual.grad - expected.grad).norm()) <= 1e-4 * float(expected.grad.norm()), name


def test_both_layouts_of_a_model_are_the_same_inside(onednn: OneDNN) -> None:
    _, first = pair(onednn, "ResNet18")
    second = create_model("ResNet18", class_num=7, data_format="NHWC")
    second.set_state_dict(first.state_dict())
    compute_with(second, onednn)
    np.testing.assert_array_equal(first(images()), second(images()))


def losses(operators: OneDNN, steps: int, *, rate: float = 0.02, size: int = 32) -> list[float]:
    paddle.seed(3)
    model = create_model("ResNet18", class_num=4)
    compute_with(model, operators)
    optimizer = paddle.optimizer.Momentum(rate, parameters=model.parameters())
    x = images(size, 16)
    labels, found = paddle.arange(16) % 4, []
    for _ in range(steps):
        loss = nn.functional.cross_entropy(model(x), labels)
        loss.backward()
        optimizer.step()
        optimizer.clear_grad()
        found.append(float(loss))
    return found


def test_the_same_seed_gives_the_same_losses(onednn: OneDNN) -> None:
    assert losses(onednn, 3) == losses(onednn, 3)


def test_bfloat16_learns_as_float32_does_and_keeps_its_weights_in_float32(
    onednn: OneDNN, onednn_bfloat16: OneDNN
) -> None:
    wide, narrow = losses(onednn, 12), losses(onednn_bfloat16, 12)
    assert narrow[0] == pytest.approx(wide[0], rel=2e-2)
    assert narrow != wide
    assert narrow[-1] < 0.1
    model = create_model("ResNet18", class_num=4)
    compute_with(model, onednn_bfloat16)
    model(images()).sum().backward()
    assert {entry.dtype for entry in model.state_dict().values()} == {paddle.float32}
    assert {parameter.grad.dtype for parameter in model.parameters() if not parameter.stop_gradient} == {paddle.float32}


def test_a_model_goes_back_to_paddles_operators_for_export(onednn: OneDNN, tmp_path: Path) -> None:
    _, model = pair(onednn, "ResNet18_vd")
    model(images()).sum().backward()
    model.eval()
    with paddle.no_grad():
        expected = model(images()).numpy()
    compute_with(model, STOCK)
    spec = [paddle.static.InputSpec([None, 3, 64, 64], "float32", name="x")]
    paddle.jit.save(paddle.jit.to_static(model, input_spec=spec, full_graph=True), str(tmp_path / "inference"))
    assert "ppcls_" not in (tmp_path / "inference.json").read_text()
    np.testing.assert_allclose(paddle.jit.load(str(tmp_path / "inference"))(images()), expected, rtol=1e-4, atol=1e-4)


def test_threads_do_not_disturb_each_other(onednn: OneDNN) -> None:
    _, model = pair(onednn, "ResNet18")
    model.eval()
    sizes = [32, 40, 48, 56]

    def compute(size: int, into: dict[int, np.ndarray]) -> None:
        with paddle.no_grad():
            for _ in range(3):
                into[size] = model(images(size)).numpy()

    alone: dict[int, np.ndarray] = {}
    together: dict[int, np.ndarray] = {}
    for size in sizes:
        compute(size, alone)
    threads = [threading.Thread(target=compute, args=(size, together)) for size in sizes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for size in sizes:
        np.testing.assert_allclose(together[size], alone[size], rtol=1e-5, atol=1e-5)
