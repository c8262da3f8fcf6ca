"""Whole models on oneDNN's operators against the same models on Paddle's."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
from paddle import nn

from ppcls import create_model
from ppcls.models.layers import STOCK, compute_with
from ppcls.ops.operators import OneDNN


def images(size: int = 64, batch: int = 2) -> paddle.Tensor:
    return paddle.to_tensor(np.random.default_rng(0).standard_normal((batch, 3, size, size)).astype("float32"))


def pair(operators: OneDNN, name: str, **arguments: Any) -> tuple[nn.Layer, nn.Layer]:
    """The same model twice, the second one with the operators."""
    paddle.seed(0)
    models = [create_model(name, class_num=7, **arguments) for _ in range(2)]
    models[1].set_state_dict(models[0].state_dict())
    compute_with(models[1], operators)
    return models[0], models[1]


@pytest.mark.parametrize("name", ["ResNet18", "ResNet18_vd", "ResNet50", "ResNet50_vc"])
@pytest.mark.parametrize("size", [64, 75])
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
