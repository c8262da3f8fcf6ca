"""Resize, crop and flip, HWC uint8 in and out; sizes in pixels: `[width, height]` or one number for both."""

import math
from collections.abc import Sequence
from typing import Literal, Optional, Union

import cv2
import numpy as np

from ppcls.errors import DataError
from ppcls.images.decode import Backend, Image
from ppcls.images.transforms.arguments import interval, probability, width_height

Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos", "area", "box", "hamming", "random"]

_CV2_FILTERS = {
    "nearest": cv2.INTER_NEAREST,
    "bilinear": cv2.INTER_LINEAR,
    "bicubic": cv2.INTER_CUBIC,
    "lanczos": cv2.INTER_LANCZOS4,
    "area": cv2.INTER_AREA,
}
_PIL_FILTERS = ("nearest", "bilinear", "bicubic", "lanczos", "box", "hamming")


class Resizer:
    """Resizes by one library and filter; `random` draws bilinear or bicubic for each image."""

    def __init__(self, interpolation: Optional[Interpolation], backend: Backend) -> None:
        self.filter = interpolation or "bilinear"
        self.by_pil = backend != "cv2"
        known = (*(_PIL_FILTERS if self.by_pil else _CV2_FILTERS), "random")
        if self.filter not in known:
            raise ValueError(
                f"interpolation: backend '{backend}' has no such filter; received '{interpolation}'; "
                f"use one of {', '.join(known)}"
            )

    def __call__(self, image: Image, size: tuple[int, int], rng: np.random.Generator) -> Image:
        name: str = self.filter
        if name == "random":
            name = ("bilinear", "bicubic")[rng.integers(2)]
        if not self.by_pil:
            resized: Image = cv2.resize(image, size, interpolation=_CV2_FILTERS[name])
            return resized
        from PIL import Image as Pillow

        return np.asarray(Pillow.fromarray(image).resize(size, Pillow.Resampling[name.upper()]))


class ResizeImage:
    """Resize to `size`, or keep the aspect and make the shorter side `resize_short`.

    `return_numpy` chooses nothing here, as images are always arrays between transforms.
    """

    def __init__(
        self,
        size: Union[int, Sequence[int], None] = None,
        *,
        resize_short: Optional[int] = None,
        interpolation: Optional[Interpolation] = None,
        backend: Backend = "cv2",
        return_numpy: bool = True,
    ) -> None:
        if (size is None) == (resize_short is None):
            given = "neither" if size is None else f"size: {size} and resize_short: {resize_short}"
            raise ValueError(f"size: one of size and resize_short is needed; received {given}; give exactly one")
        if resize_short is not None and resize_short < 1:
            raise ValueError(f"resize_short: must be at least 1 pixel; received {resize_short}; e.g. 256")
        self._size = None if size is None else width_height("size", size)
        self._short = resize_short or 0
        self._resize = Resizer(interpolation, backend)

    def __call__(self, image: Image, rng: np.random.Generator) -> Image:
        if self._size is not None:
            return self._resize(image, self._size, rng)
        height, width = image.shape[:2]
        factor = self._short / min(width, height)
        return self._resize(image, (round(width * factor), round(height * factor)), rng)


def room(image: Image, width: int, height: int, name: str) -> tuple[int, int]:
    """Return how much higher and wider the image is than a crop. Raises DataError if it is smaller."""
    if image.shape[0] < height or image.shape[1] < width:
        raise DataError(
            f"{name}: the crop of {width} x {height} is larger than the image; received an image of "
            f"{image.shape[1]} x {image.shape[0]}; put a ResizeImage before it, or crop less"
        )
    return image.shape[0] - height, image.shape[1] - width


class CropImage:
    """Cut `size` out of the centre."""

    def __init__(self, size: Union[int, Sequence[int]]) -> None:
        self._size = width_height("size", size)

    def __call__(self, image: Image, rng: np.random.Generator) -> Image:
        """Return a view; raises DataError if the image is smaller than the crop."""
        width, height = self._size
        rest_y, rest_x = room(image, width, height, "CropImage")
        top, left = rest_y // 2, rest_x // 2
        return image[top : top + height, left : left + width]


class RandCropImage:
    """Cut out a random part and resize it to `size`.

    `scale` bounds the part's area as a fraction of the image's, `ratio` its width over its height. An aspect
    that the image can't hold at the wanted area gets the largest part of that aspect instead.
    `use_log_aspect` draws the aspect uniformly in its logarithm. `progress_size`: the sizes of the stages of
    `train_mode: progressive`.

    Source: Szegedy et al. 2014 (arXiv:1409.4842), section 6.
    """

    def __init__(
        self,
        size: Union[int, Sequence[int]],
        *,
        scale: Optional[Sequence[float]] = None,
        ratio: Optional[Sequence[float]] = None,
        interpolation: Optional[Interpolation] = None,
        use_log_aspect: bool = False,
        backend: Backend = "cv2",
        progress_size: Sequence[Union[int, Sequence[int]]] = (),
    ) -> None:
        self._size = width_height("size", size)
        self._scale = interval("scale", scale, (0.08, 1.0))
        self._ratio = interval("ratio", ratio, (3 / 4, 4 / 3))
        if self._scale[1] > 1:
            raise ValueError(f"scale: a part is at most the whole image; received {scale}; use at most 1.0")
        self._log_aspect = use_log_aspect
        self._resize = Resizer(interpolation, backend)

    def __call__(self, image: Image, rng: np.random.Generator) -> Image:
        image_height, image_width = image.shape[:2]
        low, high = self._ratio
        if self._log_aspect:
            aspect = math.exp(rng.uniform(math.log(low), math.log(high)))
        else:
            aspect = rng.uniform(low, high)
        image_aspect = image_width / image_height
        largest = min(image_aspect / aspect, aspect / image_aspect)
        fraction = rng.uniform(min(self._scale[0], largest), min(self._scale[1], largest))
        area = fraction * image_width * image_height
        # An image a few pixels wide could round to nothing.
        width = max(1, int(math.sqrt(area * aspect)))
        height = max(1, int(math.sqrt(area / aspect)))
        left = int(rng.integers(image_width - width + 1))
        top = int(rng.integers(image_height - height + 1))
        return self._resize(image[top : top + height, left : left + width], self._size, rng)


class RandFlipImage:
    """Flip every other image at random: 1 left to right, 0 upside down, -1 both."""

    def __init__(self, flip_code: Literal[-1, 0, 1] = 1) -> None:
        if flip_code not in (-1, 0, 1):
            raise ValueError(f"flip_code: must be -1, 0 or 1; received {flip_code}; 1 flips left to right")
        self._flip_code = flip_code

    def __call__(self, image: Image, rng: np.random.Generator) -> Image:
        if rng.random() < 0.5:
            return image
        flipped: Image = cv2.flip(image, self._flip_code)
        return flipped


class RandomHorizontalFlip:
    """Flip left to right with the probability `prob`."""

    def __init__(self, *, prob: float = 0.5) -> None:
        self._prob = probability("prob", prob)

    def __call__(self, image: Image, rng: np.random.Generator) -> Image:
        if rng.random() >= self._prob:
            return image
        flipped: Image = cv2.flip(image, 1)
        return flipped
