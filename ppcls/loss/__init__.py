"""Losses: `loss(logits, labels)` is the mean over the batch, a scalar tensor.

Labels are class numbers [N] or, from mixing, probabilities [N, C]. As a loss is a mean, an evaluation that
sums `loss * N` over batches and divides by the number of images is exact for any batch size.
"""

from collections.abc import Sequence
from typing import Callable, Optional

import paddle
from paddle.nn import functional as F

Loss = Callable[[paddle.Tensor, paddle.Tensor], paddle.Tensor]


class CELoss:
    """Cross entropy times `weight`, computed in float32.

    `epsilon`: the share of the label spread evenly over all classes. Source: arXiv 1512.00567, section 7.
    Probabilities are taken as they are; PaddleClas puts them through another softmax.
    """

    def __init__(self, *, weight: float = 1.0, epsilon: Optional[float] = None) -> None:
        if epsilon is not None and not 0 <= epsilon < 1:
            raise ValueError(f"epsilon: out of range; received {epsilon}; give a number >= 0 and < 1")
        self.weight = weight
        self.epsilon = epsilon or 0.0

    def __call__(self, logits: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
        loss = F.cross_entropy(
            logits.astype("float32"), labels, soft_label=labels.ndim == 2, label_smoothing=self.epsilon
        )
        return loss * self.weight


class CombinedLoss:
    """The sum of several losses, each with its own weight."""

    def __init__(self, losses: Sequence[Loss]) -> None:
        self.losses = losses

    def __call__(self, logits: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
        first, *others = self.losses
        return sum((loss(logits, labels) for loss in others), start=first(logits, labels))
