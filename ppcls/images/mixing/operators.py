"""What mixes the samples of a finished batch, each with another one; labels become soft: float32 [N, num_classes]."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, Any, Optional, Protocol, Union

import numpy as np
from numpy.typing import NDArray

from ppcls.batch import LabelKind
from ppcls.config.parts import Named, Within, required
from ppcls.images import BATCH_TRANSFORMS
from ppcls.registry import Facts, Part

Images = NDArray[np.floating[Any]]
# Class ids, int64 [N], or soft labels, float32 [N, classes].
Labels = NDArray[np.generic]

# The kinds of labels that can be mixed, and what comes of them.
MIXED = {
    LabelKind.CLASS_IDS: LabelKind.PROBABILITIES,
    LabelKind.PROBABILITIES: LabelKind.PROBABILITIES,
    LabelKind.MULTI_HOT: LabelKind.MULTI_HOT,
}


class BatchTransform(Protocol):
    """One step on a finished batch: float NCHW images, into which it may write, and their labels."""

    def __call__(self, images: Images, labels: Labels, rng: np.random.Generator) -> tuple[Images, Labels]: ...


class _Mixing(ABC):
    """Mixes each sample with its partner in a random permutation of the batch."""

    def __init__(self, class_num: int, alpha: float) -> None:
        if alpha <= 0:
            raise ValueError(f"alpha: must be positive; received {alpha}; omit the operator to mix nothing")
        self._alpha = alpha
        self._class_num = class_num

    def __call__(self, images: Images, labels: Labels, rng: np.random.Generator) -> tuple[Images, Labels]:
        partners = rng.permutation(len(images))
        images, share = self._mix(images, partners, rng)
        return images, _blend(softened(labels, self._class_num), partners, np.float32(share))

    @abstractmethod
    def _mix(self, images: Images, partners: NDArray[np.int64], rng: np.random.Generator) -> tuple[Images, float]:
        """Return the mixed images, and the share that each has of its own."""


class MixupOperator(_Mixing):
    """Blend each image with another of the batch, all by one share drawn from Beta(alpha, alpha).

    Source: Zhang et al. 2017 (arXiv:1710.09412).
    """

    def __init__(self, class_num: int = 1000, *, alpha: float = 1.0) -> None:
        super().__init__(class_num, alpha)

    def _mix(self, images: Images, partners: NDArray[np.int64], rng: np.random.Generator) -> tuple[Images, float]:
        share = rng.beta(self._alpha, self._alpha)
        return _blend(images, partners, np.float32(share)), share


class CutmixOperator(_Mixing):
    """Replace a rectangle of each image by that of another one, the same rectangle in the whole batch.

    Its area is a share of the image drawn from Beta(alpha, alpha), less what would be outside; labels are mixed by
    what there is in the end.

    Source: Yun et al. 2019 (arXiv:1905.04899).
    """

    def __init__(self, class_num: int = 1000, *, alpha: float = 0.2) -> None:
        super().__init__(class_num, alpha)

    def _mix(self, images: Images, partners: NDArray[np.int64], rng: np.random.Generator) -> tuple[Images, float]:
        height, width = images.shape[2:]
        side = math.sqrt(1 - rng.beta(self._alpha, self._alpha))
        rows, columns = span(height, side, rng), span(width, side, rng)
        # Indexing by partners makes a copy: nothing is read that was written before.
        images[:, :, rows, columns] = images[partners, :, rows, columns]
        cut = (rows.stop - rows.start) * (columns.stop - columns.start)
        return images, 1 - cut / (height * width)


class FmixOperator(_Mixing):
    """Replace a region of each image by that of another one, the same region in the whole batch.

    The region is where a random smooth image is brightest: its Fourier spectrum falls with the power `decay_power`
    of the frequency. Its area is a share drawn from Beta(alpha, alpha), with `reformulate` Beta(alpha + 1, alpha).
    `max_soft` (0 to 0.5) is the share of the image at each side of the border over which the two are blended.

    Source: Harris et al. 2020 (arXiv:2002.12047).
    """

    def __init__(
        self,
        class_num: int = 1000,
        *,
        alpha: float = 1.0,
        decay_power: float = 3.0,
        max_soft: float = 0.0,
        reformulate: bool = False,
    ) -> None:
        super().__init__(class_num, alpha)
        if not 0 <= max_soft <= 0.5:
            raise ValueError(f"max_soft: must be from 0 to 0.5; received {max_soft}")
        self._decay_power = decay_power
        self._max_soft = max_soft
        self._more = 1 if reformulate else 0

    def _mix(self, images: Images, partners: NDArray[np.int64], rng: np.random.Generator) -> tuple[Images, float]:
        share = rng.beta(self._alpha + self._more, self._alpha)
        mask = self._mask(images.shape[2], images.shape[3], share, rng).astype(images.dtype)
        return _blend(images, partners, mask), share

    def _mask(self, height: int, width: int, share: float, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return what each pixel keeps of its own; `share` on average."""
        frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
        scale = np.maximum(frequency, 1 / max(height, width)) ** -self._decay_power
        spectrum = scale * (rng.standard_normal(scale.shape) + 1j * rng.standard_normal(scale.shape))
        brightest_first = np.argsort(-np.fft.irfft2(spectrum, (height, width)).reshape(-1))
        soft = min(self._max_soft, share, 1 - share) * height * width
        kept = np.zeros(height * width)
        # From 1 to 0 over 2 * soft pixels about the border.
        place = np.arange(height * width) + 0.5 - share * height * width
        kept[brightest_first] = np.clip(0.5 - place / (2 * soft), 0, 1) if soft >= 1 else place < 0
        return kept.reshape(height, width)


@dataclass(frozen=True)
class Candidate(Part):
    """A batch transform among which OpSampler chooses, and its arguments."""

    prob: Annotated[float, Within(0, 1)] = required("how often it is chosen")


class OpSampler:
    """Do one of several mixings, chosen for each batch with its probability `prob`, or none.

    Write `MixupOperator: {alpha: 0.8, prob: 0.5}`; where the probabilities add up to less than 1, the rest of the
    batches stays as it is, with labels that are one-hot.
    """

    def __init__(
        self,
        class_num: int = 1000,
        *,
        MixupOperator: Optional[Annotated[Candidate, BATCH_TRANSFORMS, Named("MixupOperator")]] = None,
        CutmixOperator: Optional[Annotated[Candidate, BATCH_TRANSFORMS, Named("CutmixOperator")]] = None,
        FmixOperator: Optional[Annotated[Candidate, BATCH_TRANSFORMS, Named("FmixOperator")]] = None,
    ) -> None:
        candidates = [part for part in (MixupOperator, CutmixOperator, FmixOperator) if part]
        self._mixings: list[BatchTransform] = [
            BATCH_TRANSFORMS.build(part, Facts(class_num=class_num)) for part in candidates
        ]
        self._ends = np.cumsum([part.prob for part in candidates])
        self._class_num = class_num
        if not candidates or self._ends[-1] > 1 + 1e-9:
            given = ", ".join(f"{part.name}: {part.prob:g}" for part in candidates) or "no operator"
            raise ValueError(f"prob: must add up to at most 1; received {given}; e.g. MixupOperator: {{prob: 0.5}}")

    def __call__(self, images: Images, labels: Labels, rng: np.random.Generator) -> tuple[Images, Labels]:
        chosen = int(np.searchsorted(self._ends, rng.random(), side="right"))
        if chosen < len(self._mixings):
            return self._mixings[chosen](images, labels, rng)
        return images, softened(labels, self._class_num)


def softened(labels: Labels, num_classes: int) -> NDArray[np.floating[Any]]:
    """Return labels as probabilities [N, classes], one-hot where they are class ids."""
    return labels.astype(np.float32) if labels.ndim == 2 else np.eye(num_classes, dtype=np.float32)[labels]


def span(length: int, part: float, rng: np.random.Generator) -> slice:
    """Return an interval of about `part * length` around a random place, cut off at the ends."""
    centre, half = int(rng.integers(length)), int(part * length) // 2
    return slice(max(0, centre - half), min(length, centre + half))


def _blend(
    values: NDArray[np.generic], partners: NDArray[np.int64], share: Union[np.floating[Any], NDArray[np.floating[Any]]]
) -> NDArray[np.floating[Any]]:
    """Return `share * values + (1 - share) * values[partners]`."""
    blended: NDArray[np.floating[Any]] = np.multiply(values, share, dtype=values.dtype)
    # Row by row: a temporary of one image stays in the cache, one of the batch would not.
    for row, partner in zip(blended, partners):
        row += values[partner] * (1 - share)
    return blended
