"""Where in an image a model found what it says."""

import cv2
import numpy as np
import paddle
import pytest

from ppcls.models import ARCHITECTURES
from ppcls.models.layers import compute_with
from ppcls.registry import Facts, Part
from ppcls.report.heat import Heat, painted

IMAGE = np.random.default_rng(0).normal(size=(3, 224, 224)).astype("float32")


def built(name: str) -> paddle.nn.Layer:
    paddle.seed(0)
    model: paddle.nn.Layer = ARCHITECTURES.build(Part(name), Facts(class_num=5))
    model.eval()
    return model


def test_of_a_linear_classifier_on_means_it_is_the_class_activation_map() -> None:
    model = built("ResNet18")
    kept = []
    hook = model.blocks[-1].register_forward_post_hook(lambda _, inputs, output: kept.append(output.numpy()[0]))
    found = Heat(model)(IMAGE[:, :96, :96], class_id=2)
    hook.remove()
    weights = model.get_head().weight.numpy()[:, 2].astype("float64")
    activation = np.maximum(np.einsum("k,khw->hw", weights, kept[0].astype("float64")), 0)
    expected = (activation - activation.min()) / np.ptp(activation)
    assert found is not None and found.shape == (3, 3)
    assert found == pytest.approx(expected, abs=1e-4)


def test_the_operators_of_a_training_are_not_asked_and_stay() -> None:
    model = built("PPLCNet_x0_25")
    expected = Heat(model)(IMAGE[:, :64, :64], class_id=2)
    others = object()
    compute_with(model, others)
    np.testing.assert_array_equal(Heat(model)(IMAGE[:, :64, :64], class_id=2), expected)
    assert {layer.operators for layer in model.sublayers() if hasattr(layer, "operators")} == {others}


@pytest.mark.parametrize(
    ("name", "side"), [("DeiT_tiny_patch16_224", 14), ("SwinTransformer_tiny_patch4_window7_224", 7)]
)
def test_transformers_have_maps_of_their_patches(name: str, side: int) -> None:
    found = Heat(built(name))(IMAGE, class_id=1)
    assert found is not None and found.shape == (side, side)
    assert found.min() == 0 and found.max() == 1


def test_a_map_is_painted_over_an_image_of_any_size() -> None:
    image = np.full((40, 60, 3), 100, "uint8")
    found = np.zeros((2, 2))
    found[0, 0] = 1.0
    over = painted(image, found)
    assert over.shape == image.shape and over.dtype == np.uint8
    assert cv2.norm(over[:5, :5], image[:5, :5]) > 3 * cv2.norm(over[-5:, -5:], image[-5:, -5:])
