"""Test-time augmentation: each image and its mirror image."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppcls.inference.runtimes import Runtime


class Mirrored:
    """A `Runtime` that gives the mean scores of images and mirror images; `width_axis` is that of its batches."""

    def __init__(self, runtime: Runtime, width_axis: int) -> None:
        self.runtime, self.width_axis = runtime, width_axis
        self.about = f"{runtime.about}, twice: with mirror images"
        self.description = runtime.description

    def scores(self, images: NDArray[Any]) -> NDArray[np.float32]:
        mirrored = np.ascontiguousarray(np.flip(images, self.width_axis))
        mean: NDArray[np.float32] = np.mean([self.runtime.scores(batch) for batch in (images, mirrored)], axis=0)
        return mean

    def clone(self) -> "Mirrored":
        return Mirrored(self.runtime.clone(), self.width_axis)
