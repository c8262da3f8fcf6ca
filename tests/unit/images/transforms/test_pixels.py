"""The operations of policies are Pillow's, within one level."""

from typing import Callable

import cv2
import numpy as np
import pytest
from photo import photo
from PIL import Image, ImageEnhance, ImageOps

from ppcls.images.transforms.pixels import Operation

IMAGE = photo()
PILLOW = Image.fromarray(IMAGE)
SIZE = PILLOW.size
FILL = (1, 200, 3)


def transformed(*matrix: float) -> Image.Image:
    return PILLOW.transform(SIZE, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR, fillcolor=FILL)


TONES: dict[str, tuple[Callable[[float], Image.Image], list[float]]] = {
    "AutoContrast": (lambda _: ImageOps.autocontrast(PILLOW), [0]),
    "Equalize": (lambda _: ImageOps.equalize(PILLOW), [0]),
    "Invert": (lambda _: ImageOps.invert(PILLOW), [0]),
    "Posterize": (lambda bits: ImageOps.posterize(PILLOW, int(bits)), [1, 3, 7, 8]),
    "Solarize": (lambda threshold: ImageOps.solarize(PILLOW, threshold), [0, 99, 128.5, 256]),
    "Color": (lambda factor: ImageEnhance.Color(PILLOW).enhance(factor), [0, 0.1, 0.7, 1, 1.9]),
    "Contrast": (lambda factor: ImageEnhance.Contrast(PILLOW).enhance(factor), [0, 0.1, 0.7, 1, 1.9]),
    "Brightness": (lambda factor: ImageEnhance.Brightness(PILLOW).enhance(factor), [0, 0.1, 0.7, 1, 1.9]),
    "Sharpness": (lambda factor: ImageEnhance.Sharpness(PILLOW).enhance(factor), [0, 0.1, 0.7, 1, 1.9]),
}
MOVES: dict[str, tuple[Callable[[float], Image.Image], list[float]]] = {
    "ShearX": (lambda factor: transformed(1, factor, 0, 0, 1, 0), [0.3, -0.12]),
    "ShearY": (lambda factor: transformed(1, 0, 0, factor, 1, 0), [0.3, -0.12]),
    "TranslateX": (lambda part: transformed(1, 0, part * SIZE[0], 0, 1, 0), [0.4, -0.21]),
    "TranslateY": (lambda part: transformed(1, 0, 0, 0, 1, part * SIZE[1]), [0.4, -0.21]),
    "TranslateXPx": (lambda pixels: transformed(1, 0, pixels, 0, 1, 0), [30, -7]),
    "TranslateYPx": (lambda pixels: transformed(1, 0, 0, 0, 1, pixels), [30, -7]),
    "Rotate": (lambda degrees: PILLOW.rotate(degrees, Image.Resampling.BILINEAR, fillcolor=FILL), [30, -11.5]),
}


def result(name: str, amount: float) -> np.ndarray:
    operation = Operation(name, start=amount, move_filter="bilinear")
    return operation(IMAGE, 0, FILL, np.random.default_rng(0))


@pytest.mark.parametrize("name", TONES)
def test_tones_are_those_of_pillow(name: str) -> None:
    reference, amounts = TONES[name]
    for amount in amounts:
        difference = np.abs(result(name, amount).astype(int) - np.asarray(reference(amount)))
        assert difference.max() <= 2 and difference.mean() < 0.5, amount


@pytest.mark.parametrize("name", MOVES)
def test_moves_are_those_of_pillow_but_for_edges(name: str) -> None:
    reference, amounts = MOVES[name]
    for amount in amounts:
        expected = np.asarray(reference(amount))
        outside = cv2.dilate((expected == FILL).all(axis=-1).astype(np.uint8), np.ones((3, 3))) > 0
        difference = np.abs(result(name, amount).astype(int) - expected).max(axis=-1)
        # OpenCV 4 rounds places to 1/32 of a pixel, which shows at edges.
        assert outside.mean() > 0.01 and difference[~outside].mean() < 1
        assert np.percentile(difference[~outside], 99.8) <= 14


def test_solarize_add_lightens_the_dark_half_only() -> None:
    dark = IMAGE < 128
    np.testing.assert_array_equal(
        result("SolarizeAdd", 150), np.where(dark, np.minimum(IMAGE.astype(int) + 150, 255), IMAGE)
    )


def test_cutout_paints_a_square_whose_centre_is_anywhere() -> None:
    painted = [Operation("Cutout", start=20)(IMAGE, 0, FILL, np.random.default_rng(seed)) for seed in range(300)]
    masks = np.array([(image == FILL).all(axis=-1) for image in painted])
    assert masks.sum(axis=(1, 2)).max() == 1600
    mean = masks.mean(axis=0)
    assert mean[60, 80] > 1.5 * mean[0, 0] > 0


def test_an_amount_is_mirrored_half_of_the_time_and_cut_to_an_integer_where_it_must_be() -> None:
    drawn = [result_of(Operation("Brightness", start=1, slope=0.9, mirrored=True), 0.5, seed) for seed in range(400)]
    darker = sum(image.mean() < IMAGE.mean() for image in drawn)
    assert 160 < darker < 240
    np.testing.assert_array_equal(
        result_of(Operation("Posterize", start=8, slope=-4, whole=int), 0.9), result("Posterize", 5)
    )
    np.testing.assert_array_equal(
        result_of(Operation("Posterize", start=8, slope=-4, whole=round), 0.9), result("Posterize", 4)
    )


def result_of(operation: Operation, level: float, seed: int = 0) -> np.ndarray:
    return operation(IMAGE, level, FILL, np.random.default_rng(seed))


def test_an_image_of_one_colour_stays_where_there_is_nothing_to_stretch() -> None:
    flat = np.full((10, 12, 3), (0, 77, 255), np.uint8)
    for name in ("AutoContrast", "Equalize"):
        np.testing.assert_array_equal(Operation(name)(flat, 0, FILL, np.random.default_rng(0)), flat)
