"""Whether a model is as often right as it says."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import paddle
from numpy.typing import NDArray
from paddle.nn import functional as F

from ppcls.batch import ONE_CLASS, Batch, Outputs, class_ids_of
from ppcls.metrics.base import RowMetric, State, mean_of

NUM_BINS = 15


class Bin(NamedTuple):
    """Images whose answers have similar scores: how many, their mean score, and the share of right ones."""

    num_images: int
    score: float
    right: float


def bins_of(scores: NDArray[Any], right: NDArray[Any], num_bins: int = NUM_BINS) -> list[Bin]:
    """Return the bins of equal width that have images, by the scores [N] of answers and whether these are right."""
    scores = scores.astype(np.float64)
    numbers = np.ceil(scores * num_bins)  # the upper edge belongs to a bin
    masks = [numbers == number for number in np.unique(numbers)]
    return [Bin(int(mask.sum()), mean_of(scores[mask]), float(right[mask].mean(dtype=np.float64))) for mask in masks]


def expected_error(bins: Sequence[Bin]) -> float:
    """Return the expected calibration error; 0 of nothing. Source: arXiv 1706.04599, equation 3."""
    distances = sum(one.num_images * abs(one.score - one.right) for one in bins)
    return distances / max(sum(one.num_images for one in bins), 1)


class ExpectedCalibrationError(RowMetric):
    """How far the probability of the answer is from the share of right ones, as `ece`.

    The images are put into `num_bins` bins of equal width by the probability of their answer; the value is the mean
    over the images of the distance, in their bin, between the mean probability and the share of right answers.
    Source: arXiv 1706.04599, equation 3.
    """

    names = {"ece": "min"}
    takes = ONE_CLASS

    def __init__(self, *, num_bins: int = NUM_BINS) -> None:
        if num_bins < 1:
            raise ValueError(f"num_bins: not positive; received {num_bins}; give 1 or more bins")
        self.num_bins = num_bins
        super().__init__({"probability": 0, "right": 0})

    def rows(self, outputs: Outputs, batch: Batch) -> Mapping[str, paddle.Tensor]:
        probabilities = F.softmax(outputs["logits"].astype("float32"))
        right = probabilities.argmax(axis=1) == class_ids_of(batch.labels)
        return {"probability": probabilities.max(axis=1), "right": right}

    def compute(self, state: State) -> dict[str, float]:
        return {"ece": expected_error(bins_of(state["probability"], state["right"], self.num_bins))}
