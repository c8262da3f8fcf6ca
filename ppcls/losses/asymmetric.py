"""Asymmetric loss, for labels of several classes an image most of which are absent."""

from typing import Literal

import paddle
from paddle.nn import functional as F

from ppcls.batch import SEVERAL_CLASSES, multi_hot_of
from ppcls.losses.base import Loss


class MultiLabelAsymmetricLoss(Loss):
    """Binary cross entropy in which absent classes that the model knows to be absent hardly count.

    Of each class the probability of the right answer, raised by `clip` (at most to 1) if the class is absent, is p;
    the loss is -(1 - p)^gamma log p, with `gamma_pos` for classes that are there and `gamma_neg` for absent ones.
    With `disable_focal_loss_grad` the factor (1 - p)^gamma is taken as a constant. Source: arXiv 2009.14119.

    `reduction: sum` adds up images and classes, as the authors do: it grows with the batch, also in an evaluation.
    """

    takes = SEVERAL_CLASSES

    def __init__(
        self,
        *,
        weight: float = 1.0,
        gamma_pos: float = 1.0,
        gamma_neg: float = 4.0,
        clip: float = 0.05,
        epsilon: float = 1e-8,
        disable_focal_loss_grad: bool = True,
        reduction: Literal["sum", "mean"] = "sum",
    ) -> None:
        if not 0 <= clip < 1:
            raise ValueError(f"clip: out of range; received {clip}; give a number >= 0 and < 1")
        if min(gamma_pos, gamma_neg) < 0:
            raise ValueError(f"gamma_pos, gamma_neg: negative; received {gamma_pos}, {gamma_neg}; give 0 or more")
        self.weight, self.clip, self.epsilon, self.reduction = weight, clip, epsilon, reduction
        self.gamma_pos, self.gamma_neg = gamma_pos, gamma_neg
        self.constant_factor = disable_focal_loss_grad

    def __call__(self, logits: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
        targets = multi_hot_of(labels)
        there = F.sigmoid(logits.astype("float32"))
        absent = (1 - there + self.clip).clip(max=1)
        right = there * targets + absent * (1 - targets)
        wrong = (1 - right).clip(min=self.epsilon)  # a power of 0 has no gradient
        wrong = wrong.detach() if self.constant_factor else wrong
        factors = wrong ** (self.gamma_pos * targets + self.gamma_neg * (1 - targets))
        losses = -paddle.log(right.clip(min=self.epsilon)) * factors
        return (losses.sum() if self.reduction == "sum" else losses.mean()) * self.weight
