"""More crops, HWC uint8 in and out: by PaddleClas's names, and by those it takes from Paddle (`[height, width]`)."""

import math
from collections.abc import Sequence
from typing import Literal, Optional, Union

import numpy as np

from ppcls.images.decode import Image
from ppcls.images.transforms.arguments import interval, probability, width_height
from ppcls.images.transforms.geometry import Resizer, room
from ppcls.images.transforms.placing import Border, Pad

Filter = Literal["nearest", "bilinear", "bicubic", "lanczos", "area"]


class CropImageAtRatio:
    """Cut out the centre square whose side is `size / (size + pad)` of the shorter side, and resize it to `size`."""

    def __init__(self, size: int, *, pad: int, interpolation: Filter = "bilinear") -> None:
        if size < 1 or pad < 0:
            raise ValueError(f"size: must be positive, pad not negative; received size: {size}, pad: {pad}")
        self._size = size
        self._ratio = size / (size + pad)
        self._resize = Resizer(interpolation, "cv2")

    def __call__(self, image: Image, rng: np.random.Generator) -> Image:
        side = max(1, int(self._ratio * min(image.shape[:2])))
        top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
        return self._resize(image[top : top + side, left : left + side], (self._size, self._size), rng)


class RandomCropImage:
    """Cut `size` out at a random place, without resizing."""

    def __init__(self, size: Union[int, Sequence[int]]) -> None:
        self._size = width_height("size", size)

    def __call__(self, image: Image, rng: np.random.Generator) -> Image:
        """Return a view; raises DataError if the image is smaller than the crop."""
        width, height = self._size
        rest_y, rest_x = room(image, width, height, type(self).__name__)
        top, left = int(rng.integers(rest_y + 1)), int(rng.integers(rest_x + 1))
        return image[top : top + height, left : left + width]


class RandCropImageV2(RandomCropImage):
    """Another name of RandomCropImage."""


class RandomCrop(RandomCropImage):
    """Add margins of `padding` pixels as Pad does, then cut `size` out at a random place.

    `size` is one number of pixels, or `[height, width]`. `pad_if_needed` adds to each side what an image lacks of it.

    Source: He et al. 2015 (arXiv:1512.03385), section 4.2, with `size: 32, padding: 4`.
    """

    def __init__(
        self,
        size: Union[int, Sequence[int]],
        *,
        padding: Union[int, Sequence[int]] = 0,
        pad_if_needed: bool = False,
        fill: Union[int, Sequence[int]] = 0,
        padding_mode: Border = "constant",
    ) -> None:
        super().__init__(width_height("size", size)[::-1])
        self._pad = Pad(padding, fill=fill, padding_mode=padding_mode)
        self._pad_if_needed = pad_if_needed

    def __call__(self, image: Image, rng: np.random.Generator) -> Image:
        """Raises DataError if the image with its margins is smaller than the crop."""
        image = self._pad(image, rng)
        if self._pad_if_needed:
            lacking = (max(0, wanted - side) for wanted, side in zip(self._size, image.shape[1::-1]))
            image = self._pad.by(image, *lacking)
        return super().__call__(image, rng)


class CenterCrop:
    """Cut `size` out of the centre: one number of pixels, or `[height, width]`."""

    def __init__(self, size: Union[int, Sequence[int]]) -> None:
        self._width, self._height = width_height("size", size)[::-1]

    def __call__(self, image: Image, rng: np.random.Generator) -> Image:
        """Return a view; raises DataError if the image is smaller than the crop."""
        rest_y, rest_x = room(image, self._width, self._height, "CenterCrop")
        top, left = round(rest_y / 2), round(rest_x / 2)
        return image[top : top + self._height, left : left + self._width]


class Resize:
    """Resize to `[height, width]`, or keep the aspect and make the shorter side one number of pixels."""

    def __init__(self, size: Union[int, Sequence[int]], *, interpolation: Filter = "bilinear") -> None:
        self._short = size if isinstance(size, int) else None
        self._width, self._height = width_height("size", size)[::-1]
        self._resize = Resizer(interpolation, "cv2")

    def __call__(self, image: Image, rng: np.random.Generator) -> Image:
        width, height = self._width, self._height
        if self._short is not None:
            shorter = min(image.shape[:2])
            width, height = (self._short * side // shorter for side in image.shape[1::-1])
        return self._resize(image, (width, height), rng)


class RandomResizedCrop:
    """Cut out a random part and resize it to `size`, one number or `[height, width]`; as RandCropImage, but:

    its aspect is uniform in its logarithm, and after ten draws that do not fit it takes the centre.

    Source: Szegedy et al. 2014 (arXiv:1409.4842), section 6.
    """

    def __init__(
        self,
        size: Union[int, Sequence[int]],
        *,
        scale: Optional[Sequence[float]] = None,
        ratio: Optional[Sequence[float]] = None,
        interpolation: Filter = "bilinear",
    ) -> None:
        self._size = width_height("size", size)[::-1]
        self._scale = interval("scale", scale, (0.08, 1.0))
        self._ratio = interval("ratio", ratio, (3 / 4, 4 / 3))
        self._resize = Resizer(interpolation, "cv2")

    def __call__(self, image: Image, rng: np.random.Generator) -> Image:
        rows, columns = random_part(image, self._scale, self._ratio, rng)
        return self._resize(image[rows, columns], self._size, rng)


class RandomResizedCropAndInterpolation(RandomResizedCrop):
    """RandomResizedCrop by Pillow's filters; `random` draws bilinear or bicubic for each image.

    Source: timm; Peng et al. 2022 (arXiv:2208.06366) train BEiT v2 with it.
    """

    def __init__(
        self,
        size: Union[int, Sequence[int]],
        *,
        scale: Optional[Sequence[float]] = None,
        ratio: Optional[Sequence[float]] = None,
        interpolation: Literal["bilinear", "bicubic", "lanczos", "hamming", "random"] = "bilinear",
    ) -> None:
        super().__init__(size, scale=scale, ratio=ratio)
        self._resize = Resizer(interpolation, "pil")


class CropWithPadding:
    """Keep a random part as RandomResizedCrop draws it and paint the rest with `padding_num`, with probability `prob`.

    `size` chooses nothing here, as the image keeps its own.

    Source: Kim et al. 2022 (arXiv:2204.00964), section 4.1.
    """

    def __init__(
        self,
        *,
        prob: float = 1.0,
        padding_num: int = 0,
        size: Union[int, Sequence[int]] = 224,
        scale: Optional[Sequence[float]] = None,
        ratio: Optional[Sequence[float]] = None,
    ) -> None:
        if not 0 <= padding_num <= 255:
            raise ValueError(f"padding_num: must be from 0 to 255; received {padding_num}")
        self._prob = probability("prob", prob)
        self._level = padding_num
        self._scale = interval("scale", scale, (0.08, 1.0))
        self._ratio = interval("ratio", ratio, (3 / 4, 4 / 3))

    def __call__(self, image: Image, rng: np.random.Generator) -> Image:
        if rng.random() >= self._prob:
            return image
        rows, columns = random_part(image, self._scale, self._ratio, rng)
        painted = np.full_like(image, self._level)
        painted[rows, columns] = image[rows, columns]
        return painted


def random_part(
    image: Image, scale: tuple[float, float], ratio: tuple[float, float], rng: np.random.Generator
) -> tuple[slice, slice]:
    """Return rows and columns of a part with random area and aspect (width over height)."""
    image_height, image_width = image.shape[:2]
    low, high = ratio
    for _ in range(10):
        area = rng.uniform(*scale) * image_height * image_width
        aspect = math.exp(rng.uniform(math.log(low), math.log(high)))
        width, height = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < width <= image_width and 0 < height <= image_height:
            top, left = int(rng.integers(image_height - height + 1)), int(rng.integers(image_width - width + 1))
            return slice(top, top + height), slice(left, left + width)
    width = min(image_width, max(1, round(image_height * high)))
    height = min(image_height, max(1, round(image_width / low)))
    top, left = (image_height - height) // 2, (image_width - width) // 2
    return slice(top, top + height), slice(left, left + width)
