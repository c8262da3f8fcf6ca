"""Focal loss, in which what is easy hardly counts."""

import paddle
from paddle.nn import functional as F

from ppcls.batch import ONE_CLASS, SEVERAL_CLASSES
from ppcls.losses.base import Loss
from ppcls.losses.bce import targets_of


class FocalLoss(Loss):
    """Binary cross entropy of each class times (1 - p)^gamma, p being the probability of the right answer.

    It is summed over the classes; what is there counts `alpha`, what is absent 1 - `alpha`.
    Source: arXiv 1708.02002, equation 5.
    """

    takes = ONE_CLASS | SEVERAL_CLASSES

    def __init__(self, *, weight: float = 1.0, gamma: float = 2.0, alpha: float = 0.25) -> None:
        if gamma < 0:
            raise ValueError(f"gamma: negative; received {gamma}; give 0 or more")
        if not 0 < alpha < 1:
            raise ValueError(f"alpha: out of range; received {alpha}; give a number > 0 and < 1")
        self.weight, self.gamma, self.alpha = weight, gamma, alpha

    def __call__(self, logits: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
        logits, targets = logits.astype("float32"), targets_of(labels, logits.shape[1])
        shares = self.alpha * targets + (1 - self.alpha) * (1 - targets)
        # By its logarithm: the power itself has no gradient where the answer is certain.
        log_wrong = -F.binary_cross_entropy_with_logits(logits, 1 - targets, reduction="none")
        losses = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
        return (shares * paddle.exp(self.gamma * log_wrong) * losses).sum(axis=1).mean() * self.weight
