"""A pipeline's order is checked, and its batches are NCHW and normalized."""

from typing import Any

import cv2
import numpy as np
import pytest

from ppcls.errors import DataError
from ppcls.images.decode import DecodeImage
from ppcls.images.pipeline import Pipeline
from ppcls.images.transforms.geometry import CropImage, RandCropImage, ResizeImage
from ppcls.images.transforms.layout import Normalize, NormalizeImage, ToCHWImage, ToTensor

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (3, 20, 30, 3), dtype=np.uint8)
MEAN, STD = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])


def test_a_batch_is_normalized_bit_for_bit_as_the_formula_says() -> None:
    expected = (IMAGES.astype(np.float32) * np.float32(1 / 255) - MEAN) / STD
    finished = Pipeline([NormalizeImage(scale=1 / 255, mean=MEAN.tolist(), std=STD.tolist(), order="")]).finish(IMAGES)
    assert finished.dtype == np.float32 and finished.flags["C_CONTIGUOUS"]
    np.testing.assert_array_equal(finished, expected.transpose(0, 3, 1, 2))


@pytest.mark.parametrize(
    "end",
    [
        [NormalizeImage()],
        [NormalizeImage(order="hwc"), ToCHWImage()],
        [ToCHWImage(), NormalizeImage(order="chw")],
        [ToCHWImage(), NormalizeImage()],
        [NormalizeImage(), ToTensor()],
        [ToTensor(), Normalize(mean=MEAN.tolist(), std=STD.tolist())],
    ],
)
def test_the_place_of_tochwimage_makes_no_difference(end: list[Any]) -> None:
    np.testing.assert_array_equal(Pipeline(end).finish(IMAGES), Pipeline([NormalizeImage()]).finish(IMAGES))


def test_without_normalizeimage_values_stay() -> None:
    finished = Pipeline([ResizeImage(8)]).finish(IMAGES)
    assert finished.dtype == np.float32
    np.testing.assert_array_equal(finished, IMAGES.transpose(0, 3, 1, 2))


def test_totensor_alone_gives_numbers_of_0_to_1_and_normalize_may_have_one_number_for_all_channels() -> None:
    scaled = Pipeline([ToTensor()]).finish(IMAGES)
    np.testing.assert_array_equal(scaled, IMAGES.transpose(0, 3, 1, 2) * np.float32(1 / 255))
    halved = Pipeline([ToTensor(), Normalize(mean=0.5, std=0.25)]).finish(IMAGES)
    np.testing.assert_array_equal(halved, (scaled - np.float32(0.5)) * 4)


def test_a_fourth_channel_is_zero_and_float16_is_rounded_last() -> None:
    normal = Pipeline([NormalizeImage()]).finish(IMAGES)
    finished = Pipeline([NormalizeImage(channel_num=4, output_fp16=True)]).finish(IMAGES)
    assert finished.shape == (3, 4, 20, 30) and not finished[:, 3].any()
    np.testing.assert_array_equal(finished[:, :3], normal.astype(np.float16))


def test_files_and_decoded_images_take_the_same_way() -> None:
    data = cv2.imencode(".png", IMAGES[0])[1].tobytes()
    for ops in ([DecodeImage(), CropImage(9)], [CropImage(9)]):
        pipeline = Pipeline(ops)
        from_file = pipeline.sample(data, RNG)
        np.testing.assert_array_equal(from_file, pipeline.sample(np.ascontiguousarray(IMAGES[0, ..., ::-1]), RNG))
        assert from_file.shape == (9, 9, 3)


def test_random_transforms_draw_from_the_given_stream_only() -> None:
    pipeline = Pipeline([RandCropImage(8)])
    one, same, other = (pipeline.sample(IMAGES[0], np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("image", [np.zeros((4, 4, 2), np.uint8), np.zeros((4, 4, 3), np.float32)])
def test_an_array_that_is_no_image_is_refused(image: np.ndarray) -> None:
    with pytest.raises(DataError, match="not a decoded image; received an array of"):
        Pipeline([]).sample(image, RNG)


@pytest.mark.parametrize(
    ("ops", "message"),
    [
        (
            [NormalizeImage(order="chw")],
            "NormalizeImage: order .* without a ToCHWImage before it; received order: 'chw'",
        ),
        (
            [ToCHWImage(), NormalizeImage(order="")],
            "order .* after ToCHWImage; received order: ''; write order: 'chw'",
        ),
        ([NormalizeImage(), CropImage(3)], "received NormalizeImage, CropImage; move CropImage before it"),
        ([CropImage(3), DecodeImage()], "DecodeImage: must come first; received CropImage, DecodeImage"),
        ([NormalizeImage(), NormalizeImage()], "NormalizeImage: stands twice"),
        ([NormalizeImage(), ToCHWImage(), ToCHWImage()], "ToCHWImage: stands twice"),
        ([ToTensor(), NormalizeImage()], "after ToTensor stands Normalize, .* received ToTensor, NormalizeImage"),
        ([ToCHWImage(), Normalize()], "after ToTensor stands Normalize, and nowhere else; received ToCHWImage"),
        ([Normalize()], "Normalize: after ToTensor stands Normalize, .*; write ToTensor, Normalize"),
    ],
)
def test_a_list_in_a_wrong_order_is_refused(ops: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Pipeline(ops)


@pytest.mark.parametrize(
    "arguments", [{"mean": [0.5]}, {"std": [1.0, 1.0, 0.0]}, {"std": [1.0] * 4}, {"channel_num": 5}]
)
def test_normalize_refuses_numbers_that_fit_no_image(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(arguments))):
        NormalizeImage(**arguments)
