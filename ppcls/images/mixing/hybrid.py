"""Mixup and Cutmix in one, as timm mixes."""

import math
from collections.abc import Sequence
from typing import Literal, Optional

import numpy as np
from numpy.typing import NDArray

from ppcls.images.mixing.operators import Images, Labels, softened, span
from ppcls.images.transforms.arguments import probability


class MixupCutmixHybrid:
    """Mix each image with its mirror image in the order of the batch: by Mixup or, in `switch_prob`, by Cutmix.

    Shares come from Beta(`mixup_alpha`, `mixup_alpha`) and Beta(`cutmix_alpha`, `cutmix_alpha`); an alpha of 0 leaves
    its kind out. `cutmix_minmax` draws each side of the rectangle between two fractions of the image's instead.
    `mode`: one draw for the whole `batch`, for each `pair`, or for each `elem`; `prob` of the draws mix, others do not.
    Labels say what is really inside the image, or without `correct_lam` what was drawn. `label_smoothing` of every
    label is spread over all classes: omit the loss's `epsilon`, or set this to 0. `num_classes` may repeat the
    model's number of classes.

    Source: timm; Zhang et al. 2017 (arXiv:1710.09412); Yun et al. 2019 (arXiv:1905.04899).
    """

    def __init__(
        self,
        class_num: int = 1000,
        *,
        mixup_alpha: float = 1.0,
        cutmix_alpha: float = 0.0,
        cutmix_minmax: Optional[Sequence[float]] = None,
        prob: float = 1.0,
        switch_prob: float = 0.5,
        mode: Literal["batch", "pair", "elem"] = "batch",
        correct_lam: bool = True,
        label_smoothing: float = 0.1,
        num_classes: Optional[int] = None,
    ) -> None:
        if min(mixup_alpha, cutmix_alpha) < 0 or (not (mixup_alpha or cutmix_alpha or cutmix_minmax)):
            raise ValueError(
                f"mixup_alpha, cutmix_alpha: one must be positive, none negative; received {mixup_alpha}, "
                f"{cutmix_alpha}; omit the operator to mix nothing"
            )
        if cutmix_minmax and not (len(cutmix_minmax) == 2 and 0 <= cutmix_minmax[0] < cutmix_minmax[1] <= 1):
            raise ValueError(
                f"cutmix_minmax: must be two fractions, low < high; received {list(cutmix_minmax)}; e.g. [0.2, 0.8]"
            )
        if num_classes not in (None, class_num):
            raise ValueError(f"num_classes: the model has {class_num}; received {num_classes}; omit it")
        self._classes = class_num
        self._mixup_alpha = mixup_alpha
        self._cutmix_alpha = 1.0 if cutmix_minmax else cutmix_alpha
        self._sides = cutmix_minmax
        self._prob = probability("prob", prob)
        self._switch_prob = probability("switch_prob", switch_prob)
        self._mode = mode
        self._correct = correct_lam
        self._smoothing = probability("label_smoothing", label_smoothing)

    def __call__(self, images: Images, labels: Labels, rng: np.random.Generator) -> tuple[Images, Labels]:
        originals, shares = images.copy(), np.ones((len(images), 1), np.float32)
        for members in self._groups(len(images)):
            if rng.random() < self._prob:
                shares[members] = self._mix(images, originals, members, rng)
        soft = softened(labels, self._classes)
        soft = soft * np.float32(1 - self._smoothing) + np.float32(self._smoothing / self._classes)
        return images, soft * shares + soft[::-1] * (1 - shares)

    def _groups(self, count: int) -> Sequence[NDArray[np.int64]]:
        """Return the samples that are mixed alike."""
        if self._mode == "pair":
            return [np.unique([first, count - 1 - first]) for first in range((count + 1) // 2)]
        return np.split(np.arange(count), count if self._mode == "elem" else 1)

    def _mix(self, images: Images, originals: Images, members: NDArray[np.int64], rng: np.random.Generator) -> float:
        """Mix the images of `members` with their partners; return the share that each has of its own."""
        partners = len(images) - 1 - members
        cutmix = self._cutmix_alpha > 0 and (self._mixup_alpha == 0 or rng.random() < self._switch_prob)
        alpha = self._cutmix_alpha if cutmix else self._mixup_alpha
        share = rng.beta(alpha, alpha)
        if not cutmix:
            for member, partner in zip(members, partners):
                images[member] = originals[member] * np.float32(share) + originals[partner] * np.float32(1 - share)
            return share
        height, width = images.shape[2:]
        if not self._sides:
            side = math.sqrt(1 - share)
            rows, columns = span(height, side, rng), span(width, side, rng)
        else:
            rows, columns = self._inside(height, self._sides, rng), self._inside(width, self._sides, rng)
        images[members, :, rows, columns] = originals[partners, :, rows, columns]
        if self._correct or self._sides:
            share = 1 - (rows.stop - rows.start) * (columns.stop - columns.start) / (height * width)
        return share

    @staticmethod
    def _inside(length: int, fractions: Sequence[float], rng: np.random.Generator) -> slice:
        """Return an interval at a random place within `length`, of a random length between two fractions of it."""
        cut = int(rng.integers(int(length * fractions[0]), int(length * fractions[1]) + 1))
        start = int(rng.integers(length - cut + 1))
        return slice(start, start + cut)
