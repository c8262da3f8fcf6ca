"""Mean average precision, for labels of several classes an image."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import paddle
from numpy.typing import NDArray

from ppcls.batch import SEVERAL_CLASSES, Batch, Outputs
from ppcls.metrics.base import RowMetric, State
from ppcls.metrics.flags import there_in


class MultiLabelMAP(RowMetric):
    """The mean over the classes of the average precision of the images, ordered by each class's logit.

    `integral`, as `mAP`: the mean over the images of the class of the precision among those with at least their logit.
    `11point`, as `mAP_11point`: over the recalls 0, 0.1, ... 1 the mean of the best precision with at least that
    recall. Classes that no image has are skipped. Source: VOC 2010 and VOC 2007 (Everingham et al.).
    """

    takes = SEVERAL_CLASSES

    def __init__(self, class_num: int, *, map_type: Literal["integral", "11point"] = "integral") -> None:
        self.by_points = map_type == "11point"
        self.name = "mAP_11point" if self.by_points else "mAP"
        self.names = {self.name: "max"}
        super().__init__({"logits": class_num, "there": class_num})

    def rows(self, outputs: Outputs, batch: Batch) -> Mapping[str, paddle.Tensor]:
        return {"logits": outputs["logits"], "there": there_in(batch)}

    def compute(self, state: State) -> dict[str, float]:
        columns = zip(state["logits"].T, state["there"].T > 0)
        values = [self._average_precision(scores, there) for scores, there in columns if there.any()]
        return {self.name: float(np.mean(values)) if values else 0.0}

    def _average_precision(self, scores: NDArray[np.float32], there: NDArray[np.bool_]) -> float:
        order = np.argsort(-scores)
        # Of equal scores all or none are above a threshold, so that their order does not matter.
        ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
        right: NDArray[Any] = np.cumsum(there[order])[ends]
        precisions = right / (ends + 1)
        if not self.by_points:
            return float((np.diff(right, prepend=0) * precisions).sum() / right[-1])
        points = range(11)
        return float(np.mean([precisions[10 * right >= point * right[-1]].max() for point in points]))
