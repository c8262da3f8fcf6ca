"""Random operations by a policy: AutoAugment, the RandAugment family, AugMix."""

from collections.abc import Mapping, Sequence
from typing import Callable, Literal

import cv2
import numpy as np

from ppcls.images.decode import Image
from ppcls.images.transforms.arguments import probability, rgb
from ppcls.images.transforms.pixels import Operation, by_name

Augment = Callable[[Image, np.random.Generator], Image]
SubPolicy = tuple[tuple[str, float, float], tuple[str, float, float]]

_GREY = (128, 128, 128)


def sub_policies(text: str) -> list[SubPolicy]:
    """Return the pairs `(operation, probability, level)` of lines such as "Equalize .8 1, ShearY .8 4"."""
    policies = []
    for line in text.strip().splitlines():
        (name, chance, level), (other, other_chance, other_level) = (item.split() for item in line.split(","))
        policies.append(((name, float(chance), float(level)), (other, float(other_chance), float(other_level))))
    return policies


# Source: arXiv:1805.09501, table 9 (ImageNet).
ORIGINAL = sub_policies("""
Posterize .4 8, Rotate .6 9
Solarize .6 5, AutoContrast .6 5
Equalize .8 8, Equalize .6 3
Posterize .6 7, Posterize .6 6
Equalize .4 7, Solarize .2 4
Equalize .4 4, Rotate .8 8
Solarize .6 3, Equalize .6 7
Posterize .8 5, Equalize 1 2
Rotate .2 3, Solarize .6 8
Equalize .6 8, Posterize .4 6
Rotate .8 8, Color .4 0
Rotate .4 9, Equalize .6 2
Equalize 0 7, Equalize .8 8
Invert .6 4, Equalize 1 8
Color .6 4, Contrast 1 8
Rotate .8 8, Color 1 2
Color .8 8, Solarize .8 7
Sharpness .4 7, Invert .6 8
ShearX .6 5, Equalize 1 9
Color .4 0, Equalize .6 3
Equalize .4 7, Solarize .2 4
Solarize .6 5, AutoContrast .6 5
Invert .6 4, Equalize 1 8
Color .6 4, Contrast 1 8
Equalize .8 8, Equalize .6 3
""")

_NO_AMOUNT = tuple(map(Operation, ("AutoContrast", "Equalize", "Invert")))
_SHEARS = tuple(Operation(name, slope=0.3, mirrored=True, move_filter="bicubic") for name in ("ShearX", "ShearY"))
_TRANSLATIONS = tuple(Operation(name, slope=150 / 331, mirrored=True) for name in ("TranslateX", "TranslateY"))
_ENHANCEMENTS = tuple(
    Operation(name, start=1, slope=0.9, mirrored=True) for name in ("Color", "Contrast", "Sharpness", "Brightness")
)
_COMMON = by_name(*_NO_AMOUNT, *_SHEARS, *_TRANSLATIONS, *_ENHANCEMENTS)

# Its levels 0 to 9 are given as 0 to 1. As in PaddleClas, rotations are counter-clockwise only.
_AUTO_AUGMENT = {
    **_COMMON,
    **by_name(
        Operation("Rotate", slope=30),
        Operation("Posterize", start=8, slope=-4, whole=round),
        Operation("Solarize", start=256, slope=-256),
    ),
}
_RAND_AUGMENT = {
    **_COMMON,
    **by_name(
        Operation("Rotate", slope=30),
        Operation("Posterize", slope=4, whole=int),
        Operation("Solarize", slope=256),
    ),
}
_RAND_AUGMENT_V2 = by_name(
    *_NO_AMOUNT,
    *(Operation(name, slope=0.3, mirrored=True) for name in ("ShearX", "ShearY")),
    *(Operation(name, slope=100, mirrored=True) for name in ("TranslateXPx", "TranslateYPx")),
    *(Operation(name, start=0.1, slope=1.8) for name in ("Color", "Contrast", "Sharpness", "Brightness")),
    Operation("Rotate", slope=30, mirrored=True),
    Operation("Posterize", slope=4, whole=int),
    Operation("Solarize", slope=256, whole=int),
    Operation("SolarizeAdd", slope=110, whole=int),
    Operation("Cutout", slope=40, whole=int),
)
_RAND_AUGMENT_V4 = {**_AUTO_AUGMENT, **by_name(Operation("Cutout", slope=20, whole=round))}
_AUGMIX = by_name(
    *(Operation(name) for name in ("AutoContrast", "Equalize")),
    *(Operation(name, slope=0.3, mirrored=True, move_filter="bilinear") for name in ("ShearX", "ShearY")),
    *(Operation(name, slope=1 / 3, mirrored=True, move_filter="bilinear") for name in ("TranslateX", "TranslateY")),
    Operation("Rotate", slope=30, mirrored=True, whole=int, move_filter="bilinear"),
    Operation("Posterize", start=4, slope=-4, whole=int),
    Operation("Solarize", start=256, slope=-256, whole=int),
)


class AutoAugment:
    """One of 25 pairs of operations that were found best for ImageNet, each with its probability and amount.

    `fillcolor` is what comes into view where the image is moved.

    Source: Cubuk et al. 2018 (arXiv:1805.09501).
    """

    def __init__(self, *, fillcolor: Sequence[int] = _GREY) -> None:
        self._fill = rgb("fillcolor", fillcolor)

    def __call__(self, image: Image, rng: np.random.Generator) -> Image:
        for name, chance, level in ORIGINAL[rng.integers(len(ORIGINAL))]:
            if rng.random() < chance:
                image = _AUTO_AUGMENT[name](image, level / 9, self._fill, rng)
        return image


class RandAugment:
    """`num_layers` operations drawn from 14, all with the amount of `magnitude`, 0 to 10.

    As in PaddleClas, rotations are counter-clockwise only, and Posterize and Solarize change less at
    higher magnitudes; the other members of the family differ in this.

    Source: Cubuk et al. 2019 (arXiv:1909.13719).
    """

    _operations: Mapping[str, Operation] = _RAND_AUGMENT

    def __init__(self, *, num_layers: int = 2, magnitude: float = 5, fillcolor: Sequence[int] = _GREY) -> None:
        if num_layers < 1:
            raise ValueError(f"num_layers: must be at least 1; received {num_layers}")
        if magnitude < 0:
            raise ValueError(f"magnitude: must not be negative; received {magnitude}; 0 to 10 is usual")
        self._num_layers = num_layers
        self._level = magnitude / 10
        self._fill = rgb("fillcolor", fillcolor)

    def __call__(self, image: Image, rng: np.random.Generator) -> Image:
        operations = list(self._operations.values())
        for _ in range(self._num_layers):
            image = operations[rng.integers(len(operations))](image, self._level, self._fill, rng)
        return image


class RandAugmentV2(RandAugment):
    """RandAugment as EfficientNetV2 uses it: 16 operations, translations in pixels, with SolarizeAdd and Cutout.

    `progress_magnitude`: the magnitudes of the stages of `train_mode: progressive`.

    Source: Tan and Le 2021 (arXiv:2104.00298), section 4.2.
    """

    _operations = _RAND_AUGMENT_V2

    def __init__(
        self,
        *,
        num_layers: int = 2,
        magnitude: float = 5,
        fillcolor: Sequence[int] = _GREY,
        progress_magnitude: Sequence[float] = (),
    ) -> None:
        super().__init__(num_layers=num_layers, magnitude=magnitude, fillcolor=fillcolor)


class RandAugmentV3(RandAugment):
    """RandAugment as MobileViTv2 uses it: every operation changes more at a higher magnitude.

    Source: Mehta and Rastegari 2022 (arXiv:2206.02680).
    """

    def __init__(
        self,
        *,
        num_layers: int = 2,
        magnitude: float = 3,
        fillcolor: Sequence[int] = (0, 0, 0),
        interpolation: Literal["nearest", "bilinear", "bicubic"] = "bicubic",
    ) -> None:
        super().__init__(num_layers=num_layers, magnitude=magnitude, fillcolor=fillcolor)
        moves = {"ShearX": 0.3, "ShearY": 0.3, "TranslateX": 150 / 331, "TranslateY": 150 / 331, "Rotate": 30}
        self._operations = by_name(
            *_NO_AMOUNT,
            *_ENHANCEMENTS,
            *(Operation(n, slope=s, mirrored=True, move_filter=interpolation) for n, s in moves.items()),
            Operation("Posterize", start=8, slope=-4, whole=int),
            Operation("Solarize", start=255, slope=-255),
        )


class RandAugmentV4:
    """RandAugment as ML-Decoder uses it: two of 15 operations, each half of the time, at a level from 1 to 9.

    Source: Ridnik et al. 2021 (arXiv:2111.12933).
    """

    def __call__(self, image: Image, rng: np.random.Generator) -> Image:
        operations = list(_RAND_AUGMENT_V4.values())
        for _ in range(2):
            operation, level = operations[rng.integers(len(operations))], int(rng.integers(1, 10))
            if rng.random() < 0.5:
                image = operation(image, level / 9, _GREY, rng)
        return image


def mixture(
    image: Image, augment: Augment, rng: np.random.Generator, *, width: int, depth: int, concentration: float
) -> Image:
    """Return the image mixed with `width` chains of `depth` random operations (-1: 1 to 3 in each).

    The shares of the chains come from Dirichlet(concentration), that of all of them from Beta.
    """
    all_chains = rng.beta(concentration, concentration)
    mixed, total = image.astype(np.float32), 1 - all_chains
    for share in rng.dirichlet([concentration] * width) * all_chains:
        chain = image
        for _ in range(depth if depth > 0 else rng.integers(1, 4)):
            chain = augment(chain, rng)
        if share > 0:
            total += share
            cv2.accumulateWeighted(chain, mixed, share / total)
    rounded: Image = cv2.convertScaleAbs(mixed)
    return rounded


class AugMix:
    """The image mixed with chains of random operations, with the probability `prob`.

    `mixture_width` chains of `mixture_depth` operations (-1: 1 to 3), each with an amount drawn from 0.1 to
    `aug_severity` of 10. Shares of the chains come from Dirichlet and Beta distributions of `aug_prob_coeff`:
    small ones let one chain, or the image itself, rule.

    Source: Hendrycks et al. 2019 (arXiv:1912.02781).
    """

    def __init__(
        self,
        *,
        prob: float = 0.5,
        aug_prob_coeff: float = 0.1,
        mixture_width: int = 3,
        mixture_depth: int = 1,
        aug_severity: float = 1,
    ) -> None:
        for name, value in {"aug_prob_coeff": aug_prob_coeff, "mixture_width": mixture_width}.items():
            if value <= 0:
                raise ValueError(f"{name}: must be positive; received {value}")
        if mixture_depth == 0 or mixture_depth < -1:
            raise ValueError(f"mixture_depth: must be positive, or -1; received {mixture_depth}; -1 draws 1 to 3")
        if aug_severity < 0.1:
            raise ValueError(f"aug_severity: must be at least 0.1; received {aug_severity}; 1 to 10 is usual")
        self._prob = probability("prob", prob)
        self._width, self._depth, self._concentration = mixture_width, mixture_depth, aug_prob_coeff
        self._severity = aug_severity

    def __call__(self, image: Image, rng: np.random.Generator) -> Image:
        if rng.random() >= self._prob:
            return image
        return mixture(
            image, self._augment, rng, width=self._width, depth=self._depth, concentration=self._concentration
        )

    def _augment(self, image: Image, rng: np.random.Generator) -> Image:
        operations = list(_AUGMIX.values())
        operation, level = operations[rng.integers(len(operations))], rng.uniform(0.1, self._severity)
        return operation(image, level / 10, (0, 0, 0), rng)
