"""The operations that policies are made of: HWC uint8 RGB in and out, each changed by one amount.

They follow the Pillow functions of their names (ImageOps, ImageEnhance, Image.transform), within one level.
Only moved images differ at their edges, and by the cubic kernel, which is OpenCV's.
"""

import math
from dataclasses import dataclass
from typing import Callable, Literal, Optional

import cv2
import numpy as np
from numpy.typing import NDArray

from ppcls.images.decode import Image
from ppcls.images.transforms.arguments import Color

MoveFilter = Literal["nearest", "bilinear", "bicubic", "random"]
Matrix = tuple[float, float, float, float, float, float]

_FILTERS = {"nearest": cv2.INTER_NEAREST, "bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC}
_LEVELS = np.arange(256)
_SMOOTH = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]], np.float32) / 13


def grey(image: Image) -> Image:
    """Return the luma of an image (ITU-R 601), in three equal channels."""
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    merged: Image = cv2.merge([luma, luma, luma])
    return merged


def blend(other: Image, image: Image, factor: float) -> Image:
    """Return `other + factor * (image - other)`: 0 gives `other`, 1 the image, more exaggerates it."""
    blended: Image = cv2.addWeighted(image, factor, other, 1 - factor, 0)
    return blended


def look_up(image: Image, table: NDArray[np.generic]) -> Image:
    """Return the image through a table of 256 levels, [256] or one per channel [256, 3]; clipped, cut to integers."""
    table = np.clip(table, 0, 255).astype(np.uint8)
    changed: Image = cv2.LUT(image, np.broadcast_to(table.reshape(1, 256, -1), (1, 256, 3)).copy())
    return changed


def affine(
    image: Image, matrix: Matrix, fill: Color, move_filter: str, size: Optional[tuple[int, int]] = None
) -> Image:
    """Return an image whose point (x, y) is what was at (ax + by + c, dx + ey + f), counted from the corner.

    It is as large as `image`, or `size` (width, height).
    """
    a, b, c, d, e, f = matrix
    # OpenCV counts from the centre of the first pixel.
    shifted = np.array([[a, b, c + (a + b - 1) / 2], [d, e, f + (d + e - 1) / 2]])
    flags = _FILTERS[move_filter] | cv2.WARP_INVERSE_MAP
    moved: Image = cv2.warpAffine(image, shifted, size or image.shape[1::-1], flags=flags, borderValue=fill)
    return moved


def rotation(degrees: float, centre: tuple[float, float], new_centre: Optional[tuple[float, float]] = None) -> Matrix:
    """Return the matrix that turns an image counter-clockwise about `centre` (x, y), and moves that point."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    x, y = new_centre or centre
    return cos, -sin, centre[0] - cos * x + sin * y, sin, cos, centre[1] - sin * x - cos * y


def drawn(move_filter: MoveFilter, rng: np.random.Generator) -> str:
    """Return the filter to use; `random` is one of two."""
    return ("bilinear", "bicubic")[rng.integers(2)] if move_filter == "random" else move_filter


def _solarize(image: Image, threshold: float) -> Image:
    return look_up(image, np.where(_LEVELS < threshold, _LEVELS, 255 - _LEVELS))


def _solarize_add(image: Image, add: float) -> Image:
    return look_up(image, np.where(_LEVELS < 128, _LEVELS + int(add), _LEVELS))


def _posterize(image: Image, bits: float) -> Image:
    """Keep the highest bits; at least one, or the image would be black."""
    kept: Image = image & np.uint8(256 - 2 ** (8 - min(max(int(bits), 1), 8)))
    return kept


def brightness(image: Image, factor: float) -> Image:
    """Return the image between black (0) and itself (1), or brighter."""
    return look_up(image, _LEVELS * factor)


def contrast(image: Image, factor: float) -> Image:
    """Return the image between its mean grey (0) and itself (1), or with more contrast."""
    mean = int(cv2.mean(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))[0] + 0.5)
    return look_up(image, mean + factor * (_LEVELS - mean))


def color(image: Image, factor: float) -> Image:
    """Return the image between grey (0) and itself (1), or more saturated."""
    return blend(grey(image), image, factor)


def _sharpness(image: Image, factor: float) -> Image:
    smooth = image.copy()
    smooth[1:-1, 1:-1] = cv2.filter2D(image, -1, _SMOOTH)[1:-1, 1:-1]
    return blend(smooth, image, factor)


def _autocontrast(image: Image, _: float) -> Image:
    low, high = np.array([cv2.minMaxLoc(channel)[:2] for channel in cv2.split(image)]).T
    flat = high <= low
    scaled = (_LEVELS[:, None] - low) * (255 / np.where(flat, 1, high - low))
    return look_up(image, np.where(flat, _LEVELS[:, None], scaled))


def _equalize(image: Image, _: float) -> Image:
    counts = np.stack([cv2.calcHist([image], [i], None, [256], [0, 256]).ravel() for i in range(3)], 1).astype(int)
    brightest = [column[np.flatnonzero(column)[-1]] for column in counts.T]
    step = (image.shape[0] * image.shape[1] - np.array(brightest)) // 255
    below = np.cumsum(counts, 0) - counts
    return look_up(image, np.where(step == 0, _LEVELS[:, None], (step // 2 + below) // np.maximum(step, 1)))


_TONES: dict[str, Callable[[Image, float], Image]] = {
    "AutoContrast": _autocontrast,
    "Equalize": _equalize,
    "Invert": lambda image, _: ~image,
    "Posterize": _posterize,
    "Solarize": _solarize,
    "SolarizeAdd": _solarize_add,
    "Color": color,
    "Contrast": contrast,
    "Brightness": brightness,
    "Sharpness": _sharpness,
}
# Amounts are factors, fractions of the side, degrees or (Px) pixels.
_MOVES: dict[str, Callable[[float, int, int], Matrix]] = {
    "ShearX": lambda amount, *_: (1, amount, 0, 0, 1, 0),
    "ShearY": lambda amount, *_: (1, 0, 0, amount, 1, 0),
    "TranslateX": lambda amount, width, _: (1, 0, amount * width, 0, 1, 0),
    "TranslateY": lambda amount, _, height: (1, 0, 0, 0, 1, amount * height),
    "TranslateXPx": lambda amount, *_: (1, 0, amount, 0, 1, 0),
    "TranslateYPx": lambda amount, *_: (1, 0, 0, 0, 1, amount),
    "Rotate": lambda degrees, width, height: rotation(degrees, (width / 2, height / 2)),
}


def _cutout(image: Image, radius: int, fill: Color, rng: np.random.Generator) -> Image:
    """Paint a square around a random point; a part of it may be outside."""
    height, width = image.shape[:2]
    y, x = int(rng.integers(height + 1)), int(rng.integers(width + 1))
    painted: Image = image.copy()
    painted[max(0, y - radius) : y + radius, max(0, x - radius) : x + radius] = fill
    return painted


@dataclass(frozen=True)
class Operation:
    """An operation and its amount at a level: `start + slope * level`, `whole` if that must be an integer.

    A `mirrored` one takes the slope with either sign. `level` is 0 to 1 for the tables of the papers.
    """

    name: str
    start: float = 0
    slope: float = 0
    mirrored: bool = False
    whole: Optional[Callable[[float], int]] = None
    move_filter: MoveFilter = "nearest"

    def __call__(self, image: Image, level: float, fill: Color, rng: np.random.Generator) -> Image:
        offset = self.slope * level
        if self.mirrored and rng.random() < 0.5:
            offset = -offset
        amount = self.start + (self.whole(offset) if self.whole else offset)
        if self.name in _TONES:
            return _TONES[self.name](image, amount)
        if self.name == "Cutout":
            return _cutout(image, int(amount), fill, rng)
        matrix = _MOVES[self.name](amount, image.shape[1], image.shape[0])
        return affine(image, matrix, fill, drawn(self.move_filter, rng))


def by_name(*operations: Operation) -> dict[str, Operation]:
    """Return a table of operations."""
    return {operation.name: operation for operation in operations}
