"""Cross entropy, for labels of one class per image."""

from collections.abc import Sequence
from typing import Literal, Optional, Union

import numpy as np
import paddle
from numpy.typing import NDArray
from paddle.nn import functional as F

from ppcls.batch import ONE_CLASS
from ppcls.losses.base import Loss


class CELoss(Loss):
    """Cross entropy times `weight`, computed in float32.

    `epsilon`: the share of the label spread evenly over all classes. Source: arXiv 1512.00567, section 7.
    Probabilities are taken as they are; PaddleClas puts them through another softmax.

    `class_weight`: one factor a class, for what the (smoothed) label has of it; or `auto`, by which each class that
    occurs counts the same: of N images, n in the class, and K classes that occur, N / (K n). So the average over
    all images is 1. The loss is divided by the number of images of a batch, not by the sum of their factors.

    `reduction: none` gives the loss of each image [N], for a task that weighs images itself.
    """

    takes = ONE_CLASS

    def __init__(
        self,
        class_counts: NDArray[np.int64],
        *,
        weight: float = 1.0,
        epsilon: Optional[float] = None,
        class_weight: Union[Literal["auto"], Sequence[float], None] = None,
        reduction: Literal["mean", "none"] = "mean",
    ) -> None:
        if epsilon is not None and not 0 <= epsilon < 1:
            raise ValueError(f"epsilon: out of range; received {epsilon}; give a number >= 0 and < 1")
        self.weight = weight
        self.epsilon = epsilon or 0.0
        self.reduction = reduction
        self.class_weight = None
        if class_weight is not None:
            self.class_weight = paddle.to_tensor(_factors(class_weight, class_counts))

    def __call__(self, logits: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
        logits = logits.astype("float32")
        soft = labels.ndim == 2
        if self.class_weight is None:
            loss = F.cross_entropy(
                logits, labels, soft_label=soft, label_smoothing=self.epsilon, reduction=self.reduction
            )
            return (loss if self.reduction == "mean" else loss.flatten()) * self.weight
        targets = labels if soft else F.one_hot(labels, logits.shape[1])
        targets = F.label_smooth(targets, epsilon=self.epsilon) * self.class_weight
        losses = -(targets * F.log_softmax(logits)).sum(axis=1)
        return (losses.mean() if self.reduction == "mean" else losses) * self.weight


# Its names in PaddleClas for labels that are mixed.
MixCELoss = SoftTargetCrossEntropy = CELoss


def _factors(class_weight: Union[str, Sequence[float]], counts: NDArray[np.int64]) -> NDArray[np.float32]:
    if isinstance(class_weight, str):
        factors = counts.sum() / (np.count_nonzero(counts) * np.maximum(counts, 1))
        return np.where(counts > 0, factors, 1).astype(np.float32)
    if len(class_weight) != len(counts) or min(class_weight) < 0:
        raise ValueError(
            f"class_weight: must be {len(counts)} numbers, none negative; received {list(class_weight)}; "
            "give one per class, or auto"
        )
    return np.array(class_weight, np.float32)
