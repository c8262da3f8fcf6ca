"""The policies of timm, chosen by its short texts such as `rand-m9-mstd0.5-inc1`."""

import re
from collections.abc import Mapping, Sequence
from typing import Literal, Union

import numpy as np

from ppcls.images.decode import Image
from ppcls.images.transforms.arguments import probability, rgb
from ppcls.images.transforms.pixels import MoveFilter, Operation, by_name
from ppcls.images.transforms.policy import ORIGINAL, mixture, sub_policies

_TOP_LEVEL = 10
_ENHANCEMENTS = ("Color", "Contrast", "Brightness", "Sharpness")
# Sections each kind of policy has, with their defaults; a policy by name only has `mstd`.
_SECTIONS: Mapping[str, Mapping[str, float]] = {
    "rand": {"m": 10, "n": 2, "w": -1, "mstd": 0, "inc": 0},
    "augmix": {"m": 3, "w": 3, "d": -1, "a": 1, "mstd": 0},
}
_RAND_ORDER = (
    "AutoContrast Equalize Invert Rotate Posterize Solarize SolarizeAdd Color Contrast Brightness Sharpness "
    "ShearX ShearY TranslateX TranslateY"
).split()
# `w0`: the probabilities of the above; timm's, by the gains that the paper reports.
_RAND_WEIGHTS = [0.025, 0.005, 0, 0.3, 0, 0.005, 0.005, 0.025, 0.005, 0.005, 0.025, 0.2, 0.2, 0.1, 0.1]
_AUGMIX_ORDER = (
    "AutoContrast Color Contrast Brightness Sharpness Equalize Rotate Posterize Solarize ShearX ShearY "
    "TranslateX TranslateY"
).split()

# Source: the EfficientNet models of tensorflow/tpu, `policy_v0`.
_V0 = sub_policies("""
Equalize .8 1, ShearY .8 4
Color .4 9, Equalize .6 3
Color .4 1, Rotate .6 8
Solarize .8 3, Equalize .4 7
Solarize .4 2, Solarize .6 2
Color .2 0, Equalize .8 8
Equalize .4 8, SolarizeAdd .8 3
ShearX .2 9, Rotate .6 8
Color .6 1, Equalize 1 2
Invert .4 9, Rotate .6 0
Equalize 1 9, ShearY .6 3
Color .4 7, Equalize .6 0
Posterize .4 6, AutoContrast .4 7
Solarize .6 8, Color .6 9
Solarize .2 4, Rotate .8 9
Rotate 1 7, TranslateY .8 9
ShearX 0 0, Solarize .8 4
ShearY .8 0, Color .6 4
Color 1 0, Rotate .6 2
Equalize .8 4, Equalize 0 8
Equalize 1 4, AutoContrast .6 2
ShearY .4 7, SolarizeAdd .6 7
Posterize .8 2, Solarize .6 10
Solarize .6 8, Equalize .6 1
Color .8 6, Rotate .4 5
""")
_POLICIES = {"original": ORIGINAL, "originalr": ORIGINAL, "v0": _V0, "v0r": _V0}


def _operations(move_filter: MoveFilter, translation: float, *, increasing: bool) -> dict[str, Operation]:
    """Return timm's operations: changing more with the level, or as in the first papers partly less."""
    moves = {"ShearX": 0.3, "ShearY": 0.3, "TranslateX": translation, "TranslateY": translation, "Rotate": 30}
    table = by_name(
        *(Operation(name) for name in ("AutoContrast", "Equalize", "Invert")),
        *(Operation(name, slope=top, mirrored=True, move_filter=move_filter) for name, top in moves.items()),
        Operation("SolarizeAdd", slope=110, whole=int),
    )
    if increasing:
        table |= by_name(
            *(Operation(name, start=1, slope=0.9, mirrored=True) for name in _ENHANCEMENTS),
            Operation("Posterize", start=4, slope=-4, whole=int),
            Operation("Solarize", start=256, slope=-256, whole=int),
        )
    else:
        table |= by_name(
            *(Operation(name, start=0.1, slope=1.8) for name in _ENHANCEMENTS),
            Operation("Posterize", slope=4, whole=int),
            Operation("Solarize", slope=256, whole=int),
        )
    return table


class TimmAutoAugment:
    """A policy of timm, applied with the probability `prob`.

    `config_str` is a policy and sections, joined by dashes:

    - `rand`: `n` operations (2), each half of the time at magnitude `m` (10); `inc1`: those that change more
      at a higher magnitude; `w0`: drawn by timm's weights, without repetition
    - `augmix`: `w` chains (3) of `d` operations (1 to 3 at random) at magnitude `m` (3), mixed by shares from
      Dirichlet and Beta distributions of `a` (1)
    - `original`, `originalr`, `v0`, `v0r`: AutoAugment's policy or that of its first EfficientNets; `r`: with
      Posterize as it was in the researchers' code

    and in each of them `mstd`, the standard deviation of the magnitude. `mean` (0 to 1) is the colour of what
    comes into view. `img_size` chooses nothing here, as translations are fractions of the image's side.

    Source: Cubuk et al. 2019 (arXiv:1909.13719); Hendrycks et al. 2019 (arXiv:1912.02781); the texts: timm.
    """

    def __init__(
        self,
        *,
        prob: float = 1.0,
        config_str: str = "rand-m9-mstd0.5-inc1",
        interpolation: Literal["bilinear", "bicubic", "random"] = "bicubic",
        img_size: Union[int, Sequence[int]] = 224,
        mean: Sequence[float] = (0.485, 0.456, 0.406),
    ) -> None:
        self._prob = probability("prob", prob)
        self._fill = rgb("mean", [round(255 * value) for value in mean])
        self._kind, self._sections = _parse(config_str)
        increasing = self._kind == "augmix" or self._sections.get("inc", 0) != 0
        translation = 0.3 if self._kind == "augmix" else 0.45
        self._table = _operations(interpolation, translation, increasing=increasing)
        if self._kind.startswith("original"):
            self._table |= by_name(Operation("Posterize", start=4, slope=4, whole=int))
        if self._kind in ("originalr", "v0r"):
            self._table |= by_name(Operation("Posterize", start=4, slope=-4, whole=int))

    def __call__(self, image: Image, rng: np.random.Generator) -> Image:
        if rng.random() >= self._prob:
            return image
        if self._kind == "rand":
            return self._rand(image, rng)
        if self._kind == "augmix":
            width, depth = int(self._sections["w"]), int(self._sections["d"])
            return mixture(image, self._augmix, rng, width=width, depth=depth, concentration=self._sections["a"])
        policies = _POLICIES[self._kind]
        for name, chance, level in policies[rng.integers(len(policies))]:
            image = self._apply(name, image, chance, level, rng)
        return image

    def _rand(self, image: Image, rng: np.random.Generator) -> Image:
        weighted = self._sections["w"] == 0
        count, weights = int(self._sections["n"]), _RAND_WEIGHTS if weighted else None
        for index in rng.choice(len(_RAND_ORDER), count, replace=not weighted, p=weights):
            image = self._apply(_RAND_ORDER[index], image, 0.5, self._sections["m"], rng)
        return image

    def _augmix(self, image: Image, rng: np.random.Generator) -> Image:
        return self._apply(_AUGMIX_ORDER[rng.integers(len(_AUGMIX_ORDER))], image, 1, self._sections["m"], rng)

    def _apply(self, name: str, image: Image, chance: float, level: float, rng: np.random.Generator) -> Image:
        if rng.random() >= chance:
            return image
        level = min(max(rng.normal(level, self._sections["mstd"]), 0), _TOP_LEVEL)
        return self._table[name](image, level / _TOP_LEVEL, self._fill, rng)


class RawTimmAutoAugment(TimmAutoAugment):
    """TimmAutoAugment for every image."""

    def __init__(
        self,
        *,
        config_str: str = "rand-m9-mstd0.5-inc1",
        interpolation: Literal["bilinear", "bicubic", "random"] = "bicubic",
        img_size: Union[int, Sequence[int]] = 224,
        mean: Sequence[float] = (0.485, 0.456, 0.406),
    ) -> None:
        super().__init__(config_str=config_str, interpolation=interpolation, img_size=img_size, mean=mean)


def _parse(text: str) -> tuple[str, dict[str, float]]:
    """Return the kind of policy and the values of its sections."""
    kind, *items = text.split("-")
    if kind not in (*_SECTIONS, *_POLICIES):
        known = ", ".join((*_SECTIONS, *_POLICIES))
        raise ValueError(f"config_str: no such policy; received '{text}'; start with one of {known}")
    sections = dict(_SECTIONS.get(kind, {"mstd": 0}))
    for item in items:
        found = re.fullmatch(r"([a-z]+)(\d+(?:\.\d+)?)", item)
        if found is None or found[1] not in sections:
            known = ", ".join(sections)
            raise ValueError(f"config_str: '{kind}' has no section '{item}'; received '{text}'; known: {known}")
        sections[found[1]] = float(found[2])
    most = np.count_nonzero(_RAND_WEIGHTS)
    if kind == "rand" and not (
        sections["w"] == -1 and sections["n"] >= 1 or sections["w"] == 0 < sections["n"] <= most
    ):
        raise ValueError(f"config_str: n must be positive; w only 0, with n at most {most}; received '{text}'")
    if kind == "augmix" and 0 in (sections["w"], sections["d"], sections["a"]):
        raise ValueError(f"config_str: w, d and a must be positive; received '{text}'")
    return kind, sections
