"""Random colours and blurs: how often and how much."""

import colorsys
from typing import Any

import cv2
import numpy as np
import pytest
from photo import photo

from ppcls.images.transforms.tone import (
    BlurImage,
    ColorJitter,
    PCALighting,
    RandomGrayscale,
    RandomInterpolationAugment,
)

IMAGE = photo()


def draws(op: Any, times: int = 400, image: np.ndarray = IMAGE) -> list[np.ndarray]:
    return [op(image, np.random.default_rng(seed)) for seed in range(times)]


@pytest.mark.parametrize(("given", "low", "high"), [(0.4, 0.6, 1.4), ([0.2, 0.8], 0.2, 0.8)])
def test_brightness_is_uniform_between_its_bounds(given: Any, low: float, high: float) -> None:
    grey = np.full((4, 4, 3), 100, np.uint8)
    factors = [image[0, 0, 0] / 100 for image in draws(ColorJitter(brightness=given), image=grey)]
    assert low - 0.011 <= min(factors) < low + 0.02 and high - 0.02 < max(factors) <= high
    assert abs(np.mean(factors) - (low + high) / 2) < 0.04


def test_contrast_saturation_and_hue_change_just_that() -> None:
    contrast = [image.std() / IMAGE.std() for image in draws(ColorJitter(contrast=[0.2, 0.9]), 100)]
    assert 0.2 < min(contrast) < 0.25 and 0.85 < max(contrast) < 0.95
    grey = IMAGE @ [0.299, 0.587, 0.114]
    for image in draws(ColorJitter(saturation=[0.2, 0.9]), 50):
        assert np.abs(image @ [0.299, 0.587, 0.114] - grey).mean() < 1
        assert np.ptp(image, axis=-1).mean() < np.ptp(IMAGE, axis=-1).mean()
    red = np.full((4, 4, 3), (200, 20, 20), np.uint8)
    hues = [colorsys.rgb_to_hsv(*(image[0, 0] / 255))[0] for image in draws(ColorJitter(hue=0.1), image=red)]
    shifts = [(hue + 0.5) % 1 - 0.5 for hue in hues]
    assert -0.105 < min(shifts) < -0.09 and 0.09 < max(shifts) < 0.105 and abs(np.mean(shifts)) < 0.01


def test_all_is_done_in_any_order_and_only_for_its_share() -> None:
    jitter = ColorJitter(prob=0.7, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)
    changed = [not np.array_equal(image, IMAGE) for image in draws(jitter)]
    assert abs(np.mean(changed) - 0.7) < 0.07
    # Brightness of 2, then of contrast 0, is not contrast 0, then brightness of 2, where white is cut off.
    half = np.full((4, 4, 3), 60, np.uint8)
    half[:2] = 200
    both = draws(ColorJitter(brightness=[2, 2], contrast=[0, 0]), 100, half)
    assert {int(image[0, 0, 0]) for image in both} == {188, 255}


def test_without_arguments_nothing_changes() -> None:
    assert all(image is IMAGE for image in draws(ColorJitter(), 5))


def test_a_grey_image_has_three_equal_channels_and_its_luma() -> None:
    images = draws(RandomGrayscale(p=0.2), 1000)
    grey = [image for image in images if image is not IMAGE]
    assert abs(len(grey) / 1000 - 0.2) < 0.04
    assert np.ptp(grey[0], axis=-1).max() == 0
    assert np.abs(grey[0][..., 0] - IMAGE @ [0.299, 0.587, 0.114]).max() < 1


def test_lighting_adds_one_colour_along_the_axes_of_imagenet() -> None:
    flat = np.full((4, 4, 3), 128, np.uint8)
    offsets = np.array([image[0, 0].astype(float) - 128 for image in draws(PCALighting(alphastd=0.1), 2000, flat)])
    vectors = np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]])
    np.testing.assert_allclose(offsets.mean(axis=0), 0, atol=0.3)
    expected = 25.5**2 * vectors @ np.diag([0.2175, 0.0188, 0.0045]) ** 2 @ vectors.T
    np.testing.assert_allclose(np.cov(offsets.T), expected, atol=1.2)
    assert all((image == image[0, 0]).all() for image in draws(PCALighting(), 5, flat))


def test_blurs_keep_the_brightness_and_are_half_along_a_line() -> None:
    point = np.zeros((41, 41, 3), np.uint8)
    point[20, 20] = 255
    images = draws(BlurImage(ratio=0.6), 1000, point)
    blurred = [image[..., 0].astype(float) for image in images if image is not point]
    assert abs(len(blurred) / 1000 - 0.6) < 0.05
    lines = 0
    for image in blurred:
        assert abs(image.sum() - 255) < 60
        rows, columns = np.nonzero(image)
        spread = np.linalg.eigvalsh(np.cov(np.stack([rows, columns]), aweights=image[rows, columns]))
        lines += spread[0] < 0.3 * spread[1]
        assert 4 < max(np.ptp(rows), np.ptp(columns)) + 1 <= 11 or image.max() > 200
    assert 0.35 < lines / len(blurred) < 0.65


def test_an_image_loses_detail_but_not_its_size_by_random_interpolation() -> None:
    images = draws(RandomInterpolationAugment(prob=0.4), 500)
    changed = [image for image in images if image is not IMAGE]
    assert abs(len(changed) / 500 - 0.4) < 0.07
    detail = cv2.Laplacian(IMAGE, cv2.CV_64F).std()
    assert all(image.shape == IMAGE.shape for image in changed)
    assert np.mean([cv2.Laplacian(image, cv2.CV_64F).std() < detail for image in changed]) > 0.6


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (ColorJitter, {"prob": 2}),
        (ColorJitter, {"brightness": -0.4}),
        (ColorJitter, {"contrast": [0.5, 0.1]}),
        (ColorJitter, {"hue": 0.6}),
        (RandomGrayscale, {"p": -1}),
        (PCALighting, {"alphastd": -0.1}),
        (BlurImage, {"ratio": 2}),
        (BlurImage, {"motion_max_ksize": 5}),
        (RandomInterpolationAugment, {"prob": 2}),
    ],
)
def test_arguments_without_sense_are_refused(kind: type, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(arguments))}: .*; received"):
        kind(**arguments)
