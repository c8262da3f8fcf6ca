"""Test-time augmentation: each image and its mirror image."""

import numpy as np

from ppcls.inference.runtimes import Runtime


class Mirrored:
    """A `Runtime` that gives the mean scores of images and mirror images; `width_axis` is that of its batches."""

    def __init__(self, runtime: Runtime, width_axis: int) -> None:
        self.runtime, self.width_axis = runtime, width_axis
        self.about = f"{runtime.about}, twice: with mirror images"
        self.description = runtime.description

    def scores(self, images: np.ndarray) -> np.ndarray:
        mirrored = np.ascontiguousarray(np.flip(images, self.width_axis))
        mean: np.ndarray = (self.runtime.scores(images) + self.runtime.scores(mirrored)) / 2
        return mean

    def clone(self) -> "Mirrored":
        return Mirrored(self.runtime.clone(), self.width_axis)
