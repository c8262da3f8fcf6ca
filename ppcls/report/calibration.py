"""Whether a model is as often right as it says, drawn and as a number."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

BINS = 15


class Bin(NamedTuple):
    """Images whose answers have similar scores: how many, their mean score, and the share of right ones."""

    num_images: int
    score: float
    right: float


def reliability(scores: NDArray[Any], labels: NDArray[np.int64]) -> list[Bin]:
    """Return the bins of equal width that have images, by the score of the answer, of scores [N, classes]."""
    best, right = scores.max(axis=1).astype(np.float64), scores.argmax(axis=1) == labels
    numbers = np.ceil(best * BINS)  # the upper edge belongs to a bin
    masks = [numbers == number for number in np.unique(numbers)]
    return [Bin(int(mask.sum()), float(best[mask].mean()), float(right[mask].mean())) for mask in masks]


def expected_error(bins: list[Bin]) -> float:
    """Return the expected calibration error. Source: https://arxiv.org/abs/1706.04599, equation 3."""
    return sum(one.num_images * abs(one.score - one.right) for one in bins) / max(
        sum(one.num_images for one in bins), 1
    )
