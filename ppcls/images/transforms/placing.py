"""Rotations and margins, HWC uint8 in and out."""

import math
from collections.abc import Sequence
from typing import Literal, Optional, Union

import cv2
import numpy as np

from ppcls.errors import DataError
from ppcls.images.decode import Backend, Image
from ppcls.images.transforms.arguments import probability, rgb, width_height
from ppcls.images.transforms.pixels import MoveFilter, affine, drawn, rotation

Border = Literal["constant", "edge", "reflect", "symmetric"]

_BORDERS = {
    "constant": cv2.BORDER_CONSTANT,
    "edge": cv2.BORDER_REPLICATE,
    "reflect": cv2.BORDER_REFLECT_101,
    "symmetric": cv2.BORDER_REFLECT,
}
# Of OpenCV, by how often to turn counter-clockwise.
QUARTER_TURNS = (None, cv2.ROTATE_90_COUNTERCLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_CLOCKWISE)


class RandomRot90:
    """Turn by 0, 90, 180 or 270 degrees, all equally often; an image that isn't square may change its shape."""

    def __call__(self, image: Image, rng: np.random.Generator) -> Image:
        turn = QUARTER_TURNS[int(rng.integers(4))]
        turned: Image = image if turn is None else cv2.rotate(image, turn)
        return turned


class RandomRotation:
    """Turn by a random angle, with the probability `prob`.

    `degrees` is the largest angle either way, or the interval, counter-clockwise. `expand` makes the image
    large enough to hold what is turned; else it keeps its size, and `center` (x, y in pixels) says about what
    point it turns. `fill` is the colour of what comes into view, a grey or three numbers.
    """

    def __init__(
        self,
        *,
        prob: float = 0.5,
        degrees: Union[float, Sequence[float]],
        interpolation: MoveFilter = "nearest",
        expand: bool = False,
        center: Optional[Sequence[float]] = None,
        fill: Union[int, Sequence[int]] = 0,
    ) -> None:
        self._prob = probability("prob", prob)
        angles = (-degrees, degrees) if isinstance(degrees, (int, float)) else tuple(degrees)
        if len(angles) != 2 or angles[0] > angles[1]:
            raise ValueError(f"degrees: must be a positive number, or low and high; received {degrees}; e.g. 30")
        if center is not None and (expand or len(center) != 2):
            raise ValueError(f"center: must be x and y, without expand; received {list(center)}, expand {expand}")
        self._angles = angles
        self._filter = interpolation
        self._expand = expand
        self._center = None if center is None else (center[0], center[1])
        self._fill = rgb("fill", (fill,) * 3 if isinstance(fill, int) else fill)

    def __call__(self, image: Image, rng: np.random.Generator) -> Image:
        if rng.random() >= self._prob:
            return image
        degrees = rng.uniform(*self._angles)
        height, width = image.shape[:2]
        centre = self._center or (width / 2, height / 2)
        if self._expand:
            cos, sin = abs(math.cos(math.radians(degrees))), abs(math.sin(math.radians(degrees)))
            # A hair less, as the cosine of 90 degrees isn't quite 0.
            across, down = width * cos + height * sin - 1e-6, width * sin + height * cos - 1e-6
            width, height = math.ceil(across), math.ceil(down)
        new_centre = (width / 2, height / 2) if self._expand else centre
        matrix = rotation(degrees, centre, new_centre)
        return affine(image, matrix, self._fill, drawn(self._filter, rng), (width, height))


class Pad:
    """Add margins of `padding` pixels: one number, `[x, y]` or `[left, top, right, bottom]`.

    `padding_mode`: painted with `fill` (a grey or three numbers), or continued: `edge` repeats the last pixel,
    `reflect` and `symmetric` mirror the image without and with it. `backend` chooses nothing here.
    """

    def __init__(
        self,
        padding: Union[int, Sequence[int]],
        *,
        fill: Union[int, Sequence[int]] = 0,
        padding_mode: Border = "constant",
        backend: Backend = "cv2",
    ) -> None:
        sides = (padding, padding) if isinstance(padding, int) else tuple(padding)
        if len(sides) not in (2, 4) or min(sides) < 0:
            raise ValueError(f"padding: must be 1, 2 or 4 numbers, none negative; received {padding}; e.g. 4")
        left, top, right, bottom = sides * (4 // len(sides))
        self._margins = (top, bottom, left, right)
        self._fill = rgb("fill", (fill,) * 3 if isinstance(fill, int) else fill)
        self._border = _BORDERS[padding_mode]

    def __call__(self, image: Image, rng: np.random.Generator) -> Image:
        return self._padded(image, *self._margins)

    def by(self, image: Image, x: int, y: int) -> Image:
        """Return the image with other margins: `x` pixels left and right, `y` above and below."""
        return self._padded(image, y, y, x, x)

    def _padded(self, image: Image, top: int, bottom: int, left: int, right: int) -> Image:
        padded: Image = cv2.copyMakeBorder(image, top, bottom, left, right, self._border, value=self._fill)
        return padded


class Padv2:
    """Paint margins so that the image becomes `size`, or its sides multiples of `size_divisor`.

    `pad_mode` says where they go: 0 right and bottom, 1 all around, 2 left and top, -1 so that the image starts
    at `offsets`, x and y. `fill_value` is a grey or three numbers.
    """

    def __init__(
        self,
        *,
        size: Union[int, Sequence[int], None] = None,
        size_divisor: int = 32,
        pad_mode: Literal[-1, 0, 1, 2] = 0,
        offsets: Optional[Sequence[int]] = None,
        fill_value: Union[float, Sequence[float]] = 127.5,
    ) -> None:
        if (pad_mode == -1) != (offsets is not None):
            raise ValueError(f"offsets: two numbers with pad_mode: -1, else none; received {offsets}, {pad_mode}")
        if offsets is not None and (len(offsets) != 2 or min(offsets) < 0):
            raise ValueError(f"offsets: must be x and y, not negative; received {list(offsets)}")
        if size_divisor < 1:
            raise ValueError(f"size_divisor: must be at least 1; received {size_divisor}")
        self._size = None if size is None else width_height("size", size)
        self._divisor = size_divisor
        self._mode = pad_mode
        self._offsets = offsets
        levels = (fill_value,) * 3 if isinstance(fill_value, (int, float)) else fill_value
        self._fill = rgb("fill_value", [round(level) for level in levels])

    def __call__(self, image: Image, rng: np.random.Generator) -> Image:
        """Raises DataError if the image is larger than `size`, or would be pushed out of it."""
        height, width = image.shape[:2]
        new_width, new_height = self._size or (side + -side % self._divisor for side in (width, height))
        rest_x, rest_y = new_width - width, new_height - height
        x, y = self._offsets or ((0, 0), (rest_x // 2, rest_y // 2), (rest_x, rest_y))[self._mode]
        if min(rest_x - x, rest_y - y, x, y) < 0:
            raise DataError(
                f"Padv2: the image doesn't fit; received {width} x {height} at {x}, {y} of {new_width} x {new_height}; "
                "put a ResizeImage before it, or give a larger size"
            )
        padded: Image = cv2.copyMakeBorder(image, y, rest_y - y, x, rest_x - x, cv2.BORDER_CONSTANT, value=self._fill)
        return padded
