"""Losses of a user's own, for tests of what the engine does with them."""

from typing import Any

import paddle
from paddle import nn

from ppcls.batch import Batch, LabelKind, Outputs
from ppcls.losses.base import Loss


class Centers(nn.Layer, Loss):
    """The squared distance of the logits to a point for each class, which is trained."""

    takes = frozenset({LabelKind.CLASS_IDS})

    def __init__(self, class_num: int, *, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = weight
        self.centers = self.create_parameter([class_num, class_num])

    def forward(self, logits: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
        return ((logits - self.centers[labels]) ** 2).mean() * self.weight


class Spoiled(Loss):
    """Cross entropy, which is not finite in the batches of these numbers, counted from 1."""

    def __init__(self, *, batches: list[int], value: str = "nan") -> None:
        self.batches, self.value, self.calls = batches, float(value), 0

    def of(self, outputs: Outputs, batch: Batch) -> Any:
        self.calls += 1
        loss = nn.functional.cross_entropy(outputs["logits"].astype("float32"), batch.labels)
        return loss * self.value if self.calls in self.batches else loss
