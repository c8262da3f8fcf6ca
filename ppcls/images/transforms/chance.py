"""Transforms that are done by chance."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np

from ppcls.images import TRANSFORMS
from ppcls.images.decode import DecodeImage, Image
from ppcls.images.pipeline import Transform
from ppcls.images.transforms.arguments import probability
from ppcls.images.transforms.erasing import Erasing
from ppcls.images.transforms.layout import NormalizeImage, ToCHWImage
from ppcls.registry import Part


class RandomApply:
    """Do all of a list of transforms, in its order, with the probability `p`, else none.

    They are those that may stand before NormalizeImage.

    Source: torchvision's transform of this name; Chen et al. 2020 (arXiv:2002.05709), appendix A, with ColorJitter.
    """

    def __init__(self, transforms: Sequence[Annotated[Part, TRANSFORMS]], *, p: float = 0.5) -> None:
        self._prob = probability("p", p)
        self._steps: list[Transform] = []
        for part in transforms:
            step = TRANSFORMS.build(part)
            if isinstance(step, (DecodeImage, NormalizeImage, ToCHWImage)) or (
                isinstance(step, Erasing) and step.normalized_only
            ):
                raise ValueError(
                    f"transforms: must be able to stand before NormalizeImage; received {part.name}; move it out"
                )
            self._steps.append(step)

    def __call__(self, image: Image, rng: np.random.Generator) -> Image:
        if rng.random() < self._prob:
            for step in self._steps:
                image = step(image, rng)
        return image
