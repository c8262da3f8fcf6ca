"""Metrics: `metric(logits, labels)` gives sums over the batch, as scalar int64 tensors on the device.

Whoever accumulates divides their total by the number of images: exact for any batch size and number of ranks.
"""

from collections.abc import Sequence
from typing import Protocol, Union

import paddle


class Metric(Protocol):
    """Gives one sum for each of its `names`."""

    names: Sequence[str]

    def __call__(self, logits: paddle.Tensor, labels: paddle.Tensor) -> dict[str, paddle.Tensor]: ...


class TopkAcc:
    """Count, as `top1`, `top5`, ..., the images whose label is among the `k` highest logits.

    Among equal logits the lower class number comes first; a label whose logit is not a number comes last.
    Labels are class numbers [N] or probabilities [N, C], of which the highest counts.
    """

    def __init__(self, class_num: int, *, topk: Union[int, Sequence[int]] = (1, 5)) -> None:
        self.topk = [topk] if isinstance(topk, int) else list(topk)
        if not self.topk or min(self.topk) < 1:
            raise ValueError(f"topk: not one or more positive numbers; received {self.topk}; set topk: [1]")
        if max(self.topk) > class_num:
            possible = sorted({min(k, class_num) for k in self.topk})
            raise ValueError(f"topk: more than the {class_num} classes; received {self.topk}; set topk: {possible}")
        self.names = [f"top{k}" for k in self.topk]

    def __call__(self, logits: paddle.Tensor, labels: paddle.Tensor) -> dict[str, paddle.Tensor]:
        logits = logits.astype("float32")
        labels = labels.argmax(axis=1, keepdim=True) if labels.ndim == 2 else labels.unsqueeze(1)
        of_label = paddle.take_along_axis(logits, labels, axis=1)
        classes = paddle.arange(logits.shape[1], dtype=labels.dtype)
        # Not "ahead > label": a comparison with a logit that is not a number is false, and must not win.
        behind = (logits < of_label) | ((logits == of_label) & (classes >= labels))
        num_ahead = (~behind).astype("int64").sum(axis=1)
        return {f"top{k}": (num_ahead < k).astype("int64").sum() for k in self.topk}


class CombinedMetric:
    """Several metrics as one."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self.metrics = metrics
        self.names = [name for metric in metrics for name in metric.names]

    def __call__(self, logits: paddle.Tensor, labels: paddle.Tensor) -> dict[str, paddle.Tensor]:
        return {name: total for metric in self.metrics for name, total in metric(logits, labels).items()}
