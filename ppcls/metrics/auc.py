"""The area under the ROC curve."""

from collections.abc import Mapping

import numpy as np
import paddle
from numpy.typing import NDArray
from paddle.nn import functional as F

from ppcls.batch import ONE_CLASS, Batch, Outputs, class_ids_of
from ppcls.metrics.base import RowMetric, State


class AUC(RowMetric):
    """How often an image of a class has a higher probability of it than one of another class, as `auc`.

    Equal ones count half; the mean over the classes that have both. It keeps all probabilities of all images.
    """

    names = {"auc": "max"}
    takes = ONE_CLASS

    def __init__(self, class_num: int) -> None:
        super().__init__({"log_probabilities": class_num, "label": 0})

    def rows(self, outputs: Outputs, batch: Batch) -> Mapping[str, paddle.Tensor]:
        log_probabilities = F.log_softmax(outputs["logits"].astype("float32"))
        return {"log_probabilities": log_probabilities, "label": class_ids_of(batch.labels)}

    def compute(self, state: State) -> dict[str, float]:
        areas = []
        for index, scores in enumerate(state["log_probabilities"].T):
            of_class = state["label"] == index
            if 0 < of_class.sum() < len(of_class):
                areas.append(_area(scores, of_class))
        return {"auc": float(np.mean(areas)) if areas else 0.0}


def _area(scores: NDArray[np.float32], of_class: NDArray[np.bool_]) -> float:
    """Return the area by the ranks of the scores, those of equals averaged (Mann and Whitney 1947)."""
    places, counts = np.unique(scores, return_inverse=True, return_counts=True)[1:]
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
    num, others = int(of_class.sum()), int((~of_class).sum())
    return float((ranks[of_class].sum() - num * (num + 1) / 2) / (num * others))
