"""What crops take: sizes, places, chances."""

from typing import Any

import numpy as np
import pytest
from photo import rows_and_columns

from ppcls.errors import DataError
from ppcls.images.transforms.crops import (
    CenterCrop,
    CropImageAtRatio,
    CropWithPadding,
    RandCropImageV2,
    RandomCrop,
    RandomCropImage,
    RandomResizedCrop,
    RandomResizedCropAndInterpolation,
    Resize,
)

IMAGE = rows_and_columns(100, 200)
RNG = np.random.default_rng(0)


def test_a_crop_at_ratio_takes_that_part_of_the_shorter_side_from_the_centre() -> None:
    crop = CropImageAtRatio(80, pad=20, interpolation="nearest")(IMAGE, RNG)
    assert crop.shape == (80, 80, 3)
    assert crop[0, 0, :2].tolist() == [10, 60] and crop[-1, -1, :2].tolist() == [89, 139]


@pytest.mark.parametrize("kind", [RandomCropImage, RandCropImageV2])
def test_random_crops_are_at_every_place_equally_often(kind: type) -> None:
    crops = [kind([190, 95])(IMAGE, np.random.default_rng(seed)) for seed in range(3000)]
    assert {crop.shape for crop in crops} == {(95, 190, 3)}
    places, counts = np.unique([crop[0, 0, :2] for crop in crops], axis=0, return_counts=True)
    assert len(places) == 6 * 11
    assert 20 < counts.min() and counts.max() < 80
    np.testing.assert_array_equal(kind([200, 100])(IMAGE, RNG), IMAGE)


def test_a_random_crop_of_an_image_with_margins_is_at_every_place_equally_often() -> None:
    image = rows_and_columns(32, 40)
    crops = [RandomCrop([32, 40], padding=[2, 4], fill=7)(image, np.random.default_rng(seed)) for seed in range(3000)]
    assert {crop.shape for crop in crops} == {(32, 40, 3)}
    middles, counts = np.unique([crop[16, 20, :2] for crop in crops], axis=0, return_counts=True)
    assert middles.min(axis=0).tolist() == [12, 18] and middles.max(axis=0).tolist() == [20, 22]
    assert len(middles) == 9 * 5 and 35 < counts.min() and counts.max() < 105
    painted = [(crop[0] == 7).all() for crop in crops]  # the upper margin was taken in
    assert abs(np.mean(painted) - 4 / 9) < 0.04


def test_a_random_crop_can_widen_images_that_are_too_small() -> None:
    crop = RandomCrop(30, pad_if_needed=True, padding_mode="edge")
    crops = [crop(rows_and_columns(40, 20), np.random.default_rng(seed)) for seed in range(200)]
    assert {image.shape for image in crops} == {(30, 30, 3)}
    assert {int(image[0, 10, 1]) for image in crops} == set(range(11))
    assert all(np.ptp(image[:, 0, 0]) == 29 for image in crops)  # no margin where there is enough
    with pytest.raises(DataError, match="RandomCrop: the crop of 30 x 30 is larger .* an image of 20 x 40"):
        RandomCrop(30)(rows_and_columns(40, 20), RNG)


@pytest.mark.parametrize("kind", [RandomCropImage, RandCropImageV2, CenterCrop])
def test_a_crop_larger_than_the_image_is_named(kind: type) -> None:
    with pytest.raises(DataError, match=f"{kind.__name__}: the crop of 101 x 101 is larger .* an image of 200 x 100"):
        kind(101)(IMAGE, RNG)


def test_paddles_names_take_height_first() -> None:
    assert CenterCrop([50, 60])(IMAGE, RNG).shape == (50, 60, 3)
    assert CenterCrop([50, 60])(IMAGE, RNG)[0, 0, :2].tolist() == [25, 70]
    assert Resize([50, 60])(IMAGE, RNG).shape == (50, 60, 3)
    assert Resize(30)(IMAGE, RNG).shape == (30, 60, 3)
    assert Resize(30)(rows_and_columns(101, 50), RNG).shape == (60, 30, 3)
    assert RandomResizedCrop([50, 60])(IMAGE, RNG).shape == (50, 60, 3)


@pytest.mark.parametrize(
    "crop",
    [
        RandomResizedCrop(400, scale=[0.1, 0.3], ratio=[0.5, 2.0], interpolation="nearest"),
        RandomResizedCropAndInterpolation(400, scale=[0.1, 0.3], ratio=[0.5, 2.0]),
    ],
)
def test_a_random_resized_crop_keeps_to_its_bounds_and_fills_them(crop: RandomResizedCrop) -> None:
    areas, aspects = [], []
    for seed in range(400):
        part = crop(IMAGE, np.random.default_rng(seed))
        height, width = (int(np.ptp(part[..., axis])) + 1 for axis in (0, 1))
        areas.append(height * width / 20000)
        aspects.append(width / height)
    assert 0.09 < min(areas) < 0.11 and 0.29 < max(areas) < 0.31 and abs(np.mean(areas) - 0.2) < 0.01
    assert 0.48 < min(aspects) < 0.55 and 1.9 < max(aspects) < 2.05 and abs(np.median(aspects) - 1) < 0.15


def test_the_crop_of_timm_smooths_and_can_draw_its_filter() -> None:
    fine = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    whole = {"size": 30, "scale": [1.0, 1.0], "ratio": [1.0, 1.0]}
    bilinear, bicubic = (
        RandomResizedCropAndInterpolation(**whole, interpolation=name)(fine, RNG) for name in ("bilinear", "bicubic")
    )
    assert bilinear.std() < RandomResizedCrop(**whole)(fine, RNG).std() / 3
    drawn = RandomResizedCropAndInterpolation(**whole, interpolation="random")
    results = [drawn(fine, np.random.default_rng(seed)) for seed in range(200)]
    assert abs(np.mean([np.array_equal(result, bilinear) for result in results]) - 0.5) < 0.12
    assert all(np.array_equal(result, bilinear) or np.array_equal(result, bicubic) for result in results)


def test_where_no_part_fits_the_centre_is_taken() -> None:
    wide = RandomResizedCrop([33, 100], scale=[1.0, 1.0], ratio=[3.0, 4.0])
    np.testing.assert_array_equal(wide(rows_and_columns(200, 100), RNG), rows_and_columns(200, 100)[83:116])


def test_a_crop_with_padding_keeps_the_place_of_a_part_and_paints_the_rest() -> None:
    crop, kept = CropWithPadding(prob=0.6, padding_num=7, size=64, scale=[0.2, 0.5]), []
    for seed in range(800):
        image = crop(IMAGE, np.random.default_rng(seed))
        same = (image == IMAGE).all(axis=-1)
        assert (image[~same] == 7).all()
        kept.append(same.mean())
    assert abs(np.mean(np.array(kept) < 1) - 0.6) < 0.06
    parts = [part for part in kept if part < 1]
    assert 0.19 < min(parts) and max(parts) < 0.51 and abs(np.mean(parts) - 0.35) < 0.02


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (CropImageAtRatio, {"size": 0, "pad": 1}),
        (CropWithPadding, {"prob": 2}),
        (CropWithPadding, {"padding_num": 256}),
        (RandomResizedCrop, {"size": [1, 2, 3]}),
        (CropImageAtRatio, {"interpolation": "box", "size": 3, "pad": 1}),
        (RandomCrop, {"padding": [1, 2, 3], "size": 4}),
    ],
)
def test_arguments_without_sense_are_refused(kind: type, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(arguments))}: .*; received"):
        kind(**arguments)
