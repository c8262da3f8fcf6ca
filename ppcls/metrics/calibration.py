"""Whether a model is as often right as it says."""

from collections.abc import Mapping

import numpy as np
import paddle
from paddle.nn import functional as F

from ppcls.batch import ONE_CLASS, Batch, Outputs, class_ids_of
from ppcls.metrics.base import RowMetric, State, mean_of


class ExpectedCalibrationError(RowMetric):
    """How far the probability of the answer is from the share of right ones, as `ece`.

    The images are put into `num_bins` bins of equal width by the probability of their answer; the value is the mean
    over the images of the distance, in their bin, between the mean probability and the share of right answers.
    Source: arXiv 1706.04599, equation 3.
    """

    names = {"ece": "min"}
    takes = ONE_CLASS

    def __init__(self, *, num_bins: int = 15) -> None:
        if num_bins < 1:
            raise ValueError(f"num_bins: not positive; received {num_bins}; give 1 or more bins")
        self.num_bins = num_bins
        super().__init__({"probability": 0, "right": 0})

    def rows(self, outputs: Outputs, batch: Batch) -> Mapping[str, paddle.Tensor]:
        probabilities = F.softmax(outputs["logits"].astype("float32"))
        right = probabilities.argmax(axis=1) == class_ids_of(batch.labels)
        return {"probability": probabilities.max(axis=1), "right": right}

    def compute(self, state: State) -> dict[str, float]:
        probability, right = state["probability"].astype("float64"), state["right"]
        bins = np.ceil(probability * self.num_bins)  # the upper edge belongs to a bin
        distances = 0.0
        for number in np.unique(bins):
            inside = bins == number
            distances += inside.sum() * abs(mean_of(probability[inside]) - right[inside].mean(dtype="float64"))
        return {"ece": float(distances / max(len(right), 1))}
