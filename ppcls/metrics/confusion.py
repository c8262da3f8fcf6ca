"""Which classes are taken for which, and what follows from that."""

from collections.abc import Mapping

import numpy as np
import paddle

from ppcls.batch import ONE_CLASS, Batch, Outputs, class_ids_of
from ppcls.metrics.base import State, SumMetric


class ConfusionMatrix(SumMetric):
    """Counts the images of each class (row) that got each class as their answer (column), for reports.

    It has no number of its own. The answer is the class of the highest logit, the lower one of equals.
    """

    names = {}
    takes = ONE_CLASS

    def __init__(self, class_num: int) -> None:
        self.class_num = class_num
        super().__init__({"matrix": [class_num, class_num]})

    def measure(self, outputs: Outputs, batch: Batch) -> Mapping[str, paddle.Tensor]:
        answers = outputs["logits"].astype("float32").argmax(axis=1)
        cells = class_ids_of(batch.labels) * self.class_num + answers
        counts = paddle.zeros([self.class_num**2], "int64")
        counts = paddle.scatter_nd_add(counts, cells.unsqueeze(1), paddle.ones_like(cells))
        return {"matrix": counts.reshape([self.class_num, self.class_num])}

    def compute(self, state: State) -> dict[str, float]:
        return {}


class BalancedAccuracy(ConfusionMatrix):
    """The mean over the classes that have images of the share of their images that are right."""

    names = {"balanced_accuracy": "max"}

    def compute(self, state: State) -> dict[str, float]:
        matrix = state["matrix"]
        sizes = matrix.sum(axis=1)
        recalls = matrix.diagonal()[sizes > 0] / sizes[sizes > 0]
        return {"balanced_accuracy": float(np.mean(recalls)) if len(recalls) else 0.0}
