"""Sizes, places and chances of resize, crop and flip."""

from typing import Any

import cv2
import numpy as np
import pytest

from ppcls.errors import DataError
from ppcls.images.transforms.geometry import CropImage, RandCropImage, RandFlipImage, ResizeImage

RNG = np.random.default_rng(0)


def coordinates(height: int, width: int) -> np.ndarray:
    """An image whose pixels hold their own row and column."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows, columns, np.zeros_like(rows)], axis=-1).astype(np.uint8)


@pytest.mark.parametrize(
    ("arguments", "size"),
    [
        ({"size": 20}, (20, 20)),
        ({"size": [30, 20]}, (20, 30)),
        ({"resize_short": 25}, (25, 38)),  # 37.5 rounds to even
        ({"resize_short": 25, "backend": "pil", "interpolation": "hamming"}, (25, 38)),
        ({"resize_short": 100, "interpolation": "random", "backend": "PIL"}, (100, 150)),
    ],
)
def test_resize_gives_the_size_asked_for(arguments: dict[str, Any], size: tuple[int, int]) -> None:
    assert ResizeImage(**arguments)(coordinates(100, 150), RNG).shape == (*size, 3)


def test_random_interpolation_is_bilinear_or_bicubic_by_the_given_stream() -> None:
    image = RNG.integers(0, 256, (50, 50, 3), dtype=np.uint8)
    resize = ResizeImage(20, interpolation="random")
    seen = [resize(image, np.random.default_rng(seed)) for seed in range(20)]
    choices = [cv2.resize(image, (20, 20), interpolation=i) for i in (cv2.INTER_LINEAR, cv2.INTER_CUBIC)]
    picked = [[np.array_equal(image, choice) for choice in choices].index(True) for image in seen]
    assert set(picked) == {0, 1}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "size: one of size and resize_short is needed; received neither"),
        ({"size": 2, "resize_short": 3}, "received size: 2 and resize_short: 3"),
        ({"size": [1, 2, 3]}, "size: must be one or two positive numbers"),
        ({"resize_short": 0}, "resize_short: must be at least 1"),
        (
            {"size": 3, "interpolation": "box"},
            "interpolation: backend 'cv2' has no such filter; received 'box'",
        ),
        ({"size": 3, "interpolation": "area", "backend": "pil"}, "backend 'pil' has no such filter"),
    ],
)
def test_resize_refuses_what_it_can_not_do(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ResizeImage(**arguments)


def test_crop_takes_the_centre() -> None:
    crop = CropImage([6, 4])(coordinates(11, 20), RNG)
    assert crop.shape == (4, 6, 3)
    assert crop[0, 0].tolist() == [3, 7, 0]


def test_a_crop_larger_than_the_image_says_both_sizes() -> None:
    with pytest.raises(DataError, match="CropImage: the crop of 224 x 224 .* an image of 300 x 200; put a Resize"):
        CropImage(224)(np.zeros((200, 300, 3), np.uint8), RNG)


@pytest.mark.parametrize("log_aspect", [False, True])
def test_random_crops_keep_to_their_bounds_and_fill_them(log_aspect: bool) -> None:
    image = coordinates(200, 200)
    crop = RandCropImage(400, scale=[0.2, 0.5], ratio=[0.5, 2.0], interpolation="nearest", use_log_aspect=log_aspect)
    areas, aspects, places = [], [], []
    for seed in range(400):
        part = crop(image, np.random.default_rng(seed))
        height, width = (int(np.ptp(part[..., axis])) + 1 for axis in (0, 1))
        areas.append(height * width / 40000)
        aspects.append(width / height)
        places.append(part[0, 0, :2] / (200 - np.array([height, width])))
    assert 0.19 <= min(areas) < 0.21 and 0.48 < max(areas) <= 0.5
    assert abs(np.mean(areas) - 0.35) < 0.02
    assert 0.49 < min(aspects) < 0.55 and 1.9 < max(aspects) < 2.05
    median = 1.0 if log_aspect else 1.25
    assert abs(np.median(aspects) - median) < 0.12
    assert np.allclose(np.mean(places, axis=0), 0.5, atol=0.05)


def test_a_random_crop_of_an_extreme_image_still_works() -> None:
    crop = RandCropImage([8, 4])
    for shape in ((1, 300, 3), (300, 1, 3), (1, 1, 3)):
        assert crop(np.zeros(shape, np.uint8), RNG).shape == (4, 8, 3)


def test_random_crop_refuses_bounds_that_make_no_sense() -> None:
    for arguments in ({"scale": [0.5, 0.1]}, {"scale": [0.5, 1.5]}, {"ratio": [0.0, 1.0]}, {"ratio": [1.0]}):
        with pytest.raises(ValueError, match=f"{next(iter(arguments))}: "):
            RandCropImage(8, **arguments)


@pytest.mark.parametrize(("code", "axes"), [(1, 1), (0, 0), (-1, (0, 1))])
def test_every_other_image_is_flipped(code: int, axes: Any) -> None:
    image = coordinates(5, 7)
    flipped = [
        np.array_equal(RandFlipImage(code)(image, np.random.default_rng(seed)), np.flip(image, axes))
        for seed in range(400)
    ]
    assert 160 < sum(flipped) < 240
