"""Binary cross entropy of each class, whether images are of one class or of several."""

from collections.abc import Sequence
from typing import Union

import paddle
from paddle.nn import functional as F

from ppcls.batch import ONE_CLASS, SEVERAL_CLASSES, multi_hot_of
from ppcls.losses.base import Loss


class BCELoss(Loss):
    """Binary cross entropy, averaged over images and classes: each class is a question of its own, yes or no.

    A class counts as there if the label has more than `target_threshold` of it, so that of two mixed images both
    count. Source: arXiv 2110.00476, section 2. `pos_weight` multiplies the loss of the classes that are there: a
    number, or one a class.
    """

    takes = ONE_CLASS | SEVERAL_CLASSES

    def __init__(
        self,
        class_num: int,
        *,
        weight: float = 1.0,
        target_threshold: float = 0.2,
        pos_weight: Union[float, Sequence[float]] = 1.0,
    ) -> None:
        if not 0 <= target_threshold < 1:
            raise ValueError(f"target_threshold: out of range; received {target_threshold}; give a number >= 0 and < 1")
        factors = [float(pos_weight)] * class_num if isinstance(pos_weight, (int, float)) else list(pos_weight)
        if len(factors) != class_num or min(factors) < 0:
            raise ValueError(
                f"pos_weight: must be a number, or {class_num} of them, none negative; received {pos_weight}"
            )
        self.weight, self.target_threshold = weight, target_threshold
        self.pos_weight = paddle.to_tensor(factors, "float32")

    def __call__(self, logits: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
        targets = targets_of(labels, logits.shape[1])
        targets = (targets > self.target_threshold).astype("float32")
        logits = logits.astype("float32")
        return F.binary_cross_entropy_with_logits(logits, targets, pos_weight=self.pos_weight) * self.weight


def targets_of(labels: paddle.Tensor, class_num: int) -> paddle.Tensor:
    """Return how much of each class is there, [N, C] from 0 to 1, of labels of any kind but identities."""
    return F.one_hot(labels, class_num) if labels.ndim == 1 else multi_hot_of(labels)
