"""Random colours and sharpness, HWC uint8 RGB in and out."""

from collections.abc import Sequence
from typing import Union

import cv2
import numpy as np

from ppcls.images.decode import Image
from ppcls.images.transforms.arguments import probability
from ppcls.images.transforms.pixels import brightness, color, contrast, grey

_RESIZE_FILTERS = (cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_AREA, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)
# Source: Krizhevsky et al. 2012; the values are the ones in common use, for RGB of 0 to 1.
_EIGENVALUES = np.array([0.2175, 0.0188, 0.0045])
_EIGENVECTORS = np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]])


def _factors(name: str, value: Union[float, Sequence[float]]) -> tuple[float, float]:
    low, high = (max(0.0, 1 - value), 1 + value) if isinstance(value, (int, float)) else value
    if not 0 <= low <= high or (isinstance(value, (int, float)) and value < 0):
        raise ValueError(f"{name}: must be a number >= 0, or the lowest and highest factor; received {value}; e.g. 0.4")
    return low, high


class ColorJitter:
    """Change brightness, contrast, saturation and hue at random, in a random order, with probability `prob`.

    Each of the first three is a number d, for a factor from 1 - d to 1 + d, or the lowest and highest factor.
    `hue` shifts by up to that part of the colour circle either way, at most 0.5; or give lowest and highest.

    Source: Howard 2013 (arXiv:1312.5402), section 2.2.
    """

    def __init__(
        self,
        *,
        prob: float = 1.0,
        brightness: Union[float, Sequence[float]] = 0,
        contrast: Union[float, Sequence[float]] = 0,
        saturation: Union[float, Sequence[float]] = 0,
        hue: Union[float, Sequence[float]] = 0,
    ) -> None:
        self._prob = probability("prob", prob)
        shift = (-hue, hue) if isinstance(hue, (int, float)) else tuple(hue)
        if len(shift) != 2 or not -0.5 <= shift[0] <= shift[1] <= 0.5:
            raise ValueError(f"hue: must be from 0 to 0.5, or lowest and highest from -0.5; received {hue}; e.g. 0.1")
        factors = {"brightness": brightness, "contrast": contrast, "saturation": saturation}
        ranges = {name: _factors(name, value) for name, value in factors.items()}
        self._ranges = {name: ends for name, ends in ranges.items() if ends != (1, 1)}
        if shift != (0, 0):
            self._ranges["hue"] = (shift[0], shift[1])

    def __call__(self, image: Image, rng: np.random.Generator) -> Image:
        if rng.random() >= self._prob:
            return image
        names = list(self._ranges)
        for place in rng.permutation(len(names)):
            image = _ADJUSTMENTS[names[place]](image, rng.uniform(*self._ranges[names[place]]))
        return image


def _shift_hue(image: Image, shift: float) -> Image:
    hue, saturation, value = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL))
    hue += np.uint8(round(shift * 256) % 256)  # a full circle is 256: the sum wraps around
    shifted: Image = cv2.cvtColor(cv2.merge([hue, saturation, value]), cv2.COLOR_HSV2RGB_FULL)
    return shifted


_ADJUSTMENTS = {"brightness": brightness, "contrast": contrast, "saturation": color, "hue": _shift_hue}


class RandomGrayscale:
    """Make the image grey, in three equal channels, with the probability `p`."""

    def __init__(self, *, p: float = 0.1) -> None:
        self._prob = probability("p", p)

    def __call__(self, image: Image, rng: np.random.Generator) -> Image:
        return grey(image) if rng.random() < self._prob else image


class PCALighting:
    """Add one colour to the whole image, along the axes in which the colours of ImageNet differ most.

    `alphastd` is the standard deviation of the strength, 0.1 in the paper.

    Source: Krizhevsky et al. 2012 (ImageNet Classification with Deep Convolutional Neural Networks), section 4.1.
    """

    def __init__(self, *, alphastd: float = 0.1) -> None:
        if alphastd < 0:
            raise ValueError(f"alphastd: must not be negative; received {alphastd}; the paper has 0.1")
        self._std = alphastd

    def __call__(self, image: Image, rng: np.random.Generator) -> Image:
        offset = 255 * (_EIGENVECTORS @ (_EIGENVALUES * rng.normal(0, self._std, 3)))
        lit: Image = cv2.add(image, (*offset.tolist(), 0))
        return lit


class BlurImage:
    """Blur a `ratio` of the images: half of them by a Gaussian, half along a line as if moved.

    Kernels are odd, from 5 to below `gaussian_max_ksize` and `motion_max_ksize` pixels; the line is within
    `motion_max_angle` degrees of the diagonal.
    """

    def __init__(
        self,
        *,
        ratio: float = 0.5,
        motion_max_ksize: int = 12,
        motion_max_angle: int = 45,
        gaussian_max_ksize: int = 12,
    ) -> None:
        for name, value in {"motion_max_ksize": motion_max_ksize, "gaussian_max_ksize": gaussian_max_ksize}.items():
            if value < 6:
                raise ValueError(f"{name}: must be at least 6; received {value}")
        self._prob = probability("ratio", ratio)
        self._line_sides = np.arange(5, motion_max_ksize, 2)
        self._sides = np.arange(5, gaussian_max_ksize, 2)
        self._angle = motion_max_angle

    def __call__(self, image: Image, rng: np.random.Generator) -> Image:
        if rng.random() >= self._prob:
            return image
        blurred: Image
        if rng.random() < 0.5:
            blurred = cv2.GaussianBlur(image, rng.choice(self._sides, 2).tolist(), 0)
        else:
            side = int(rng.choice(self._line_sides))
            turn = cv2.getRotationMatrix2D((side // 2, side // 2), rng.uniform(-self._angle, self._angle), 1)
            line = cv2.warpAffine(np.eye(side, dtype=np.float32), turn, (side, side))
            blurred = cv2.filter2D(image, -1, line / line.sum())
        return blurred


class RandomInterpolationAugment:
    """Resize to 0.2 to 1 of the size and back, with random filters, with the probability `prob`.

    Source: Kim et al. 2022 (arXiv:2204.00964), section 4.1.
    """

    def __init__(self, *, prob: float) -> None:
        self._prob = probability("prob", prob)

    def __call__(self, image: Image, rng: np.random.Generator) -> Image:
        if rng.random() >= self._prob:
            return image
        height, width = image.shape[:2]
        ratio = rng.uniform(0.2, 1.0)
        smaller = max(1, int(ratio * width)), max(1, int(ratio * height))
        there, back = (_RESIZE_FILTERS[i] for i in rng.integers(len(_RESIZE_FILTERS), size=2))
        resized: Image = cv2.resize(
            cv2.resize(image, smaller, interpolation=there), (width, height), interpolation=back
        )
        return resized
