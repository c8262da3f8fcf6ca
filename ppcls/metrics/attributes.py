"""The eight numbers by which the recognition of attributes is judged."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import paddle
from numpy.typing import NDArray

from ppcls.batch import SEVERAL_CLASSES, Batch, Outputs
from ppcls.metrics.base import RowMetric, State, mean_of
from ppcls.metrics.flags import checked_threshold, found_in, there_in


class ATTRMetric(RowMetric):
    """How well a model finds what is there, averaged over the attributes (`label`) and over the images (`instance`).

    `ma`: mean of both recalls; `label_pos_recall`: of the images with an attribute, the share in which it is found;
    `label_neg_recall`: of those without it, the share in which it is not; `label_f1`: of each attribute's precision
    and `label_pos_recall`, as PaddleClas has it. `instance_prec`, `instance_recall` and `instance_acc`: of the
    attributes that an image has and that are found in it, those of both divided by those found, by those that are
    there, and by all; `instance_f1`: of the first two. What would be 0 / 0 counts 0. Source: arXiv 1603.07054.

    An attribute is found if its probability is above the `threshold`.
    """

    takes = SEVERAL_CLASSES
    names = {
        "ma": "max",
        "label_f1": "max",
        "label_pos_recall": "max",
        "label_neg_recall": "max",
        "instance_f1": "max",
        "instance_acc": "max",
        "instance_prec": "max",
        "instance_recall": "max",
    }

    def __init__(self, class_num: int, *, threshold: float = 0.5) -> None:
        self.threshold = checked_threshold("threshold", threshold)
        super().__init__({"found": class_num, "there": class_num})

    def rows(self, outputs: Outputs, batch: Batch) -> Mapping[str, paddle.Tensor]:
        return {"found": found_in(outputs, self.threshold), "there": there_in(batch)}

    def compute(self, state: State) -> dict[str, float]:
        found, there = state["found"] > 0, state["there"] > 0
        both = found & there
        recalls = _shares(both.sum(axis=0), there.sum(axis=0))
        missing = _shares((~found & ~there).sum(axis=0), (~there).sum(axis=0))
        precisions = _shares(both.sum(axis=0), found.sum(axis=0))
        accuracy, precision, recall = (
            mean_of(_shares(both.sum(axis=1), of.sum(axis=1))) for of in (found | there, found, there)
        )
        values = [
            mean_of((recalls + missing) / 2),
            mean_of(_f1(precisions, mean_of(recalls))),
            mean_of(recalls),
            mean_of(missing),
            float(_f1(precision, recall)),
            accuracy,
            precision,
            recall,
        ]
        return dict(zip(self.names, values))


def _shares(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    shares: NDArray[np.float64] = part / np.maximum(whole, 1)
    return shares


def _f1(precision: Any, recall: float) -> Any:
    total = precision + recall
    return 2 * precision * recall / np.where(total > 0, total, 1)
