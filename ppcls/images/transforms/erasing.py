"""Parts of an image painted over. These may also stand after NormalizeImage, and then paint normalized values."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Literal, Optional

import cv2
import numpy as np
from numpy.typing import NDArray

from ppcls.images.decode import Image
from ppcls.images.transforms.arguments import probability

# HWC: uint8 levels before NormalizeImage, normalized numbers after it.
Pixels = NDArray[Any]


class Erasing(ABC):
    """A transform that keeps the size of an image and paints over parts of it."""

    # Whether what it paints only makes sense among normalized numbers.
    normalized_only = False

    def __call__(self, image: Image, rng: np.random.Generator) -> Image:
        painted: Image = image.copy()
        self.erase(painted, rng)
        return painted

    @abstractmethod
    def erase(self, image: Pixels, rng: np.random.Generator) -> None:
        """Paint into `image`."""


class Cutout(Erasing):
    """Paint `n_holes` squares of `length` pixels around random points; parts of them may be outside.

    `fill_value` is the colour: 0 is black before NormalizeImage, and the mean colour after it; null: a random colour
    for each square.

    Source: DeVries and Taylor 2017 (arXiv:1708.04552).
    """

    def __init__(
        self, *, n_holes: int = 1, length: int = 112, fill_value: Optional[Sequence[float]] = (0, 0, 0)
    ) -> None:
        for name, value in {"n_holes": n_holes, "length": length}.items():
            if value < 1:
                raise ValueError(f"{name}: must be at least 1; received {value}")
        self._fill = None if fill_value is None else _three("fill_value", fill_value)
        self._num_holes = n_holes
        self._radius = length // 2

    def erase(self, image: Pixels, rng: np.random.Generator) -> None:
        height, width = image.shape[:2]
        for _ in range(self._num_holes):
            y, x = int(rng.integers(height)), int(rng.integers(width))
            square = image[max(0, y - self._radius) : y + self._radius, max(0, x - self._radius) : x + self._radius]
            square[...] = rng.integers(0, 256, 3) if self._fill is None else self._fill


class HideAndSeek(Erasing):
    """Paint about half of the cells of a grid with 0: cells of 16, 32, 44 or 56 pixels, or none at all.

    Source: Singh and Lee 2017 (arXiv:1704.04232).
    """

    def erase(self, image: Pixels, rng: np.random.Generator) -> None:
        cell = (0, 16, 32, 44, 56)[rng.integers(5)]
        if cell:
            height, width = image.shape[:2]
            kept = rng.random((math.ceil(height / cell), math.ceil(width / cell))) > 0.5
            image *= kept.repeat(cell, 0).repeat(cell, 1)[:height, :width, None].astype(image.dtype)


class GridMask(Erasing):
    """Paint the bars of a regular grid with 0 (`mode: 0`), or the squares between them (`mode: 1`).

    The grid repeats every `d1` to `d2` - 1 pixels; `ratio` of that is the width of a bar. It is turned by up to
    `rotate` - 1 degrees. `prob` is the share of images; it is the same in each epoch (the paper lets it grow).

    Source: Chen et al. 2020 (arXiv:2001.04086).
    """

    def __init__(
        self,
        *,
        d1: int = 96,
        d2: int = 224,
        rotate: int = 1,
        ratio: float = 0.5,
        mode: Literal[0, 1] = 0,
        prob: float = 1.0,
    ) -> None:
        if not 1 <= d1 < d2:
            raise ValueError(f"d1: must be positive and less than d2; received d1: {d1}, d2: {d2}")
        if rotate < 1:
            raise ValueError(f"rotate: must be at least 1; received {rotate}; 1 leaves the grid upright")
        if not 0 < ratio < 1:
            raise ValueError(f"ratio: must be between 0 and 1; received {ratio}")
        self._periods = (d1, d2)
        self._rotate = rotate
        self._ratio = ratio
        self._squares = mode == 1
        self._prob = probability("prob", prob)

    def erase(self, image: Pixels, rng: np.random.Generator) -> None:
        if rng.random() < self._prob:
            image *= self._kept(image.shape[0], image.shape[1], rng)[..., None].astype(image.dtype)

    def _kept(self, height: int, width: int, rng: np.random.Generator) -> NDArray[np.uint8]:
        period = int(rng.integers(*self._periods))
        bar = int(period * self._ratio + 0.5)
        # Larger than the image, so that it covers the corners when it is turned.
        sides = int(1.5 * height), int(1.5 * width)
        rows, columns = ((np.arange(side) - rng.integers(period)) % period >= bar for side in sides)
        kept = np.outer(rows, columns).astype(np.uint8)
        degrees = int(rng.integers(self._rotate))
        if degrees:
            turn = cv2.getRotationMatrix2D((sides[1] / 2, sides[0] / 2), degrees, 1)
            kept = cv2.warpAffine(kept, turn, sides[::-1], flags=cv2.INTER_NEAREST)
        top, left = (sides[0] - height) // 2, (sides[1] - width) // 2
        kept = kept[top : top + height, left : left + width]
        return np.uint8(1) - kept if self._squares else kept


class RandomErasing(Erasing):
    """Paint a random rectangle, with the probability `EPSILON`.

    Its area is `sl` to `sh` of the image, its height over its width `r1` to 1 / `r1`, uniformly, or uniformly in
    the logarithm with `use_log_aspect`. If `attempt` draws give none that fits, the image stays as it is.
    `mode`: `const` paints `mean`, `rand` one colour and `pixel` each pixel from a standard normal distribution;
    these two belong after NormalizeImage.

    Source: Zhong et al. 2017 (arXiv:1708.04896); `rand` and `pixel`: timm.
    """

    def __init__(
        self,
        *,
        EPSILON: float = 0.5,
        sl: float = 0.02,
        sh: float = 0.4,
        r1: float = 0.3,
        mean: Sequence[float] = (0.0, 0.0, 0.0),
        attempt: int = 100,
        use_log_aspect: bool = False,
        mode: Literal["const", "rand", "pixel"] = "const",
    ) -> None:
        if not 0 < sl <= sh <= 1:
            raise ValueError(f"sl: must be positive and at most sh, and sh at most 1; received sl: {sl}, sh: {sh}")
        if not 0 < r1 <= 1:
            raise ValueError(f"r1: must be above 0 and at most 1; received {r1}")
        if attempt < 1:
            raise ValueError(f"attempt: must be at least 1; received {attempt}")
        self._prob = probability("EPSILON", EPSILON)
        self._area = (sl, sh)
        self._least_aspect = r1
        self._color = _three("mean", mean)
        self._attempts = attempt
        self._log_aspect = use_log_aspect
        self._mode = mode
        self.normalized_only = mode != "const"

    def erase(self, image: Pixels, rng: np.random.Generator) -> None:
        if rng.random() >= self._prob:
            return
        for _ in range(self._attempts):
            area, aspect = rng.uniform(*self._area) * image.shape[0] * image.shape[1], self._aspect(rng)
            height, width = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < height < image.shape[0] and 0 < width < image.shape[1]:
                top = int(rng.integers(image.shape[0] - height + 1))
                left = int(rng.integers(image.shape[1] - width + 1))
                image[top : top + height, left : left + width] = self._paint(height, width, rng)
                return

    def _aspect(self, rng: np.random.Generator) -> float:
        low, high = self._least_aspect, 1 / self._least_aspect
        return math.exp(rng.uniform(math.log(low), math.log(high))) if self._log_aspect else rng.uniform(low, high)

    def _paint(self, height: int, width: int, rng: np.random.Generator) -> Any:
        if self._mode == "const":
            return self._color
        return rng.standard_normal((1, 1, 3) if self._mode == "rand" else (height, width, 3), dtype=np.float32)


def _three(name: str, values: Sequence[float]) -> Sequence[float]:
    """Return one number per channel."""
    if len(values) != 3:
        raise ValueError(f"{name}: must be three numbers, one per channel; received {list(values)}")
    return values
