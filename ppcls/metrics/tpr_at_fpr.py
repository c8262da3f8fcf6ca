"""How much is found where false alarms are rationed."""

from collections.abc import Mapping

import numpy as np
import paddle

from ppcls.batch import ONE_CLASS, Batch, Outputs, class_ids_of
from ppcls.metrics.base import RowMetric, State


class TprAtFpr(RowMetric):
    """Of two classes, the largest share of class 1 above a threshold that at most `max_fpr` of class 0 exceed.

    As `tpr_at_fpr_0.001`, and so on; the threshold is one on the probability of class 1.
    """

    takes = ONE_CLASS

    def __init__(self, class_num: int, *, max_fpr: float = 0.001) -> None:
        if class_num != 2:
            raise ValueError(f"class_num: it is about two classes; received {class_num}; use AUC")
        if not 0 <= max_fpr <= 1:
            raise ValueError(f"max_fpr: out of range; received {max_fpr}; give a share from 0 to 1")
        self.max_fpr = max_fpr
        self.name = f"tpr_at_fpr_{max_fpr:g}"
        self.names = {self.name: "max"}
        super().__init__({"score": 0, "label": 0})

    def rows(self, outputs: Outputs, batch: Batch) -> Mapping[str, paddle.Tensor]:
        logits = outputs["logits"].astype("float32")
        return {"score": logits[:, 1] - logits[:, 0], "label": class_ids_of(batch.labels)}

    def compute(self, state: State) -> dict[str, float]:
        alarms = np.sort(state["score"][state["label"] == 0])[::-1]
        wanted = state["score"][state["label"] == 1]
        too_many = np.flatnonzero(np.arange(1, len(alarms) + 1) / max(len(alarms), 1) > self.max_fpr)
        threshold = alarms[too_many[0]] if len(too_many) else -np.inf
        return {self.name: float((wanted > threshold).sum() / max(len(wanted), 1))}
