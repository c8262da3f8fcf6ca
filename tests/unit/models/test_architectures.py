"""What every architecture must do, by the smallest one of each family; the others are slow tests."""

from typing import Any

import numpy as np
import paddle
import pytest

from ppcls.models import ARCHITECTURES
from ppcls.models.model import Model

# Input sizes that a family, or one of its models, can't do without, in pixels; all others take 64.
SIZES = {
    **dict.fromkeys(("BEiTv2_vit_base_patch16_224", "BEiTv2_vit_large_patch16_224", "CAE_vit_base_patch16_224"), 224),
    "ppcls.models.adaface_ir": 112,
    "ppcls.models.alexnet": 224,
    "ppcls.models.cae": 224,
    "ppcls.models.googlenet": 224,
    "ppcls.models.inceptionv3": 75,
    "ppcls.models.inceptionv4": 75,
    "ppcls.models.levit": 224,
    **{f"SwinTransformerV2_{form}_384": 384 for form in ("base_patch4_window24", "large_patch4_window24")},
    "ppcls.models.swin_transformer_v2": 256,
    "PVT_V2_B2_Linear": 224,
    "ppcls.models.vgg": 224,
    "ppcls.models.wideresnet": 32,
}

# Learning rates where 0.001 is too high; SqueezeNet ends in a ReLU, which dies of it.
RATES = {
    f"ppcls.models.{family}": 1e-4 for family in ("squeezenet", "alexnet", "vgg", "nextvit", "swin_transformer_v2")
}

# Families whose smallest member, at its size, is too large to be trained each time.
LARGE = {
    f"ppcls.models.{family}"
    for family in (
        *(
            "adaface_ir",
            "aesthetic",
            "alexnet",
            "cae",
            "cspnet",
            "darknet",
            "hrnet",
            "inceptionv4",
            "nextvit",
            "resnest",
        ),
        *("resnest", "resnext_wsl", "swin_transformer_v2", "vgg", "xception", "xception_deeplab"),
    )
}


def size_of(name: str) -> int:
    return SIZES.get(name, SIZES.get(ARCHITECTURES.module_of[name], 64))


def first_of_each_family() -> list[Any]:
    seen: set[str] = set()
    marked = []
    for name in ARCHITECTURES.names():
        module = ARCHITECTURES.module_of[name]
        marked.append(pytest.param(name, marks=pytest.mark.slow) if module in seen | LARGE else name)
        seen.add(module)
    return marked


def build(name: str) -> Model:
    paddle.seed(0)
    model: Model = ARCHITECTURES.load(name)(class_num=3)
    return model


def images(name: str, num_images: int = 4) -> paddle.Tensor:
    shape = (num_images, 3, size_of(name), size_of(name))
    return paddle.to_tensor(np.random.default_rng(0).standard_normal(shape).astype("float32"))


def logits_of(outputs: Any) -> paddle.Tensor:
    return outputs["logits"] if isinstance(outputs, dict) else outputs


@pytest.mark.parametrize("name", first_of_each_family())
def test_features_are_what_the_head_takes_and_the_head_can_be_replaced(name: str) -> None:
    model = build(name)
    model.eval()
    with paddle.no_grad():
        features = model.features(images(name))
        assert features.shape == [4, model.num_features]
        assert logits_of(model(images(name))).shape == [4, 3]
        backbone = {key: value.numpy() for key, value in model.state_dict().items()}
        model.reset_head(7)
        assert logits_of(model(images(name))).shape == [4, 7]
    changed = {key for key, value in model.state_dict().items() if not np.array_equal(value.numpy(), backbone[key])}
    heads = tuple(prefix for prefix, layer in model.named_sublayers() if hasattr(layer, "class_axis"))
    assert model.head_name in heads and all(key.startswith(heads) for key in changed)
    np.testing.assert_array_equal(model.features(images(name)), features)


@pytest.mark.parametrize("name", first_of_each_family())
def test_training_lowers_the_loss_and_every_parameter_takes_part(name: str) -> None:
    model = build(name)
    for layer in model.sublayers():
        if isinstance(layer, paddle.nn.Dropout):
            layer.eval()  # as it draws other losses each time
    rate = RATES.get(ARCHITECTURES.module_of[name], 1e-3)
    optimizer = paddle.optimizer.AdamW(rate, parameters=model.parameters())
    labels = paddle.to_tensor([0, 1, 2, 0])
    losses = []
    for _ in range(8):  # the first ones may overshoot
        loss = paddle.nn.functional.cross_entropy(logits_of(model(images(name))), labels)
        loss.backward()
        losses.append(float(loss))
        if len(losses) == 1:
            idle = [key for key, weight in model.named_parameters() if not weight.stop_gradient and weight.grad is None]
            assert idle == [] or isinstance(model(images(name)), dict), idle
        optimizer.step()
        optimizer.clear_grad()
        if losses[-1] < losses[0]:
            break
    assert np.isfinite(losses).all() and losses[-1] < losses[0]


@pytest.mark.parametrize("name", first_of_each_family())
def test_the_deployable_form_gives_the_same_logits(name: str) -> None:
    model = build(name)
    for layer in model.sublayers():
        if isinstance(layer, paddle.nn.BatchNorm):
            layer._momentum = 0.0
    model(images(name))  # so that the statistics are none of a new model, but these images'
    model.eval()
    with paddle.no_grad():
        expected = logits_of(model(images(name)))
        deployed = model.deployable()
        deployed.eval()
        actual = deployed(images(name))
    assert isinstance(actual, paddle.Tensor)
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4 * (1 + float(expected.abs().max())))


@pytest.mark.parametrize("name", first_of_each_family())
def test_an_evaluation_draws_nothing(name: str) -> None:
    model = build(name)
    model.eval()
    with paddle.no_grad():
        np.testing.assert_array_equal(logits_of(model(images(name))), logits_of(model(images(name))))
