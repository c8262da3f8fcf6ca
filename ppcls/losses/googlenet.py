"""Cross entropy of a model with auxiliary heads."""

from typing import Any

import paddle
from paddle.nn import functional as F

from ppcls.batch import ONE_CLASS, Batch, Outputs
from ppcls.errors import ConfigError
from ppcls.losses.base import Loss

# Source: arXiv 1409.4842, section 5.
SHARE = 0.3


class GoogLeNetLoss(Loss):
    """Cross entropy of the logits, and 0.3 times that of each auxiliary head: of the outputs "aux_0" and "aux_1".

    In an evaluation, where a model has no auxiliary heads, that of the logits.
    """

    takes = ONE_CLASS

    def __init__(self, *, weight: float = 1.0) -> None:
        self.weight = weight

    def of(self, outputs: Outputs, batch: Batch) -> paddle.Tensor:
        heads = [name for name in outputs if name.startswith("aux_")]
        if not heads and not outputs["logits"].stop_gradient:
            raise ConfigError("GoogLeNetLoss: the model has no auxiliary heads; use CELoss")
        auxiliary: Any = sum(cross_entropy(outputs[name], batch.labels) for name in heads)
        return (cross_entropy(outputs["logits"], batch.labels) + SHARE * auxiliary) * self.weight


def cross_entropy(logits: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
    return F.cross_entropy(logits.astype("float32"), labels, soft_label=labels.ndim == 2)
