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
    "ppcls.models.alexnet": 224,
    "ppcls.models.googlenet": 224,
    "ppcls.models.inceptionv3": 75,
    "ppcls.models.vgg": 224,
}

# Learning rates where 0.001 is too high; SqueezeNet ends in a ReLU, which dies of it.
RATES = {"ppcls.models.squeezenet": 1e-4, "ppcls.models.alexnet": 1e-4, "ppcls.models.vgg": 1e-4}

# Families whose smallest member is too large to be trained each time.
LARGE = {"ppcls.models.alexnet", "ppcls.models.vgg", "ppcls.models.resnext_wsl"}

# Architectures that consist of others.
PARTS_OF_SEVERAL = {"ppcls.models.rec_model"}


def size_of(name: str) -> int:
    return SIZES.get(name, SIZES.get(ARCHITECTURES.module_of[name], 64))


def first_of_each_family() -> list[Any]:
    seen: set[str] = set()
    marked = []
    for name in ARCHITECTURES.names():
        module = ARCHITECTURES.module_of[name]
        if module in PARTS_OF_SEVERAL:
            continue
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
def test_it_learns_a_batch_by_heart_and_every_parameter_takes_part(name: str) -> None:
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
    assert np.isfinite(losses).all() and losses[-1] < losses[0]


@pytest.mark.parametrize("name", first_of_each_family())
def test_the_deployable_form_gives_the_same_logits(name: str) -> None:
    model = build(name)
    model(images(name))  # so that the statistics are none of a new model
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
