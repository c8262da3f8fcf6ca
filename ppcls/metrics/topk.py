"""How often the right class is among the best guesses."""

from collections.abc import Mapping, Sequence
from typing import Union

import paddle

from ppcls.batch import ONE_CLASS, Batch, Outputs, class_ids_of
from ppcls.errors import ConfigError
from ppcls.metrics.base import State, SumMetric


class TopkAcc(SumMetric):
    """The share, as `top1`, `top5`, ..., of the images whose label is among the `k` highest logits.

    Among equal logits the lower class number comes first; a label whose logit is not a number comes last.
    Labels are class numbers [N] or probabilities [N, C], of which the highest counts.
    """

    takes = ONE_CLASS

    def __init__(self, class_num: int, *, topk: Union[int, Sequence[int]] = (1, 5)) -> None:
        self.topk = list(dict.fromkeys([topk] if isinstance(topk, int) else topk))  # PaddleClas's YAMLs have [1, 1]
        if not self.topk or min(self.topk) < 1:
            raise ValueError(f"topk: not one or more positive numbers; received {self.topk}; set topk: [1]")
        if max(self.topk) > class_num:
            possible = sorted({min(k, class_num) for k in self.topk})
            raise ValueError(f"topk: more than the {class_num} classes; received {self.topk}; set topk: {possible}")
        self.names = {f"top{k}": "max" for k in self.topk}
        super().__init__({"right": [len(self.topk)], "images": []})

    def measure(self, outputs: Outputs, batch: Batch) -> Mapping[str, paddle.Tensor]:
        logits, labels = self.logits_of(outputs).astype("float32"), class_ids_of(batch.labels).unsqueeze(1)
        of_label = paddle.take_along_axis(logits, labels, axis=1)
        classes = paddle.arange(logits.shape[1], dtype=labels.dtype)
        # Not "ahead > label": a comparison with a logit that is not a number is false, and must not win.
        behind = (logits < of_label) | ((logits == of_label) & (classes >= labels))
        num_ahead = (~behind).astype("int64").sum(axis=1)
        right = paddle.stack([(num_ahead < k).astype("int64").sum() for k in self.topk])
        return {"right": right, "images": paddle.full([], len(batch), "int64")}

    def logits_of(self, outputs: Outputs) -> paddle.Tensor:
        """Return the logits that are judged."""
        logits: paddle.Tensor = outputs["logits"]
        return logits

    def compute(self, state: State) -> dict[str, float]:
        return dict(zip(self.names, (state["right"] / max(int(state["images"]), 1)).tolist()))


class DistillationTopkAcc(TopkAcc):
    """TopkAcc of one of several models, `model_key`."""

    def __init__(self, class_num: int, *, model_key: str, topk: Union[int, Sequence[int]] = (1, 5)) -> None:
        super().__init__(class_num, topk=topk)
        self.model_key = model_key

    def logits_of(self, outputs: Outputs) -> paddle.Tensor:
        name = f"{self.model_key}.logits"
        if name not in outputs:
            raise ConfigError(f"DistillationTopkAcc: model_key: there is no output '{name}' but {', '.join(outputs)}")
        logits: paddle.Tensor = outputs[name]
        return logits
