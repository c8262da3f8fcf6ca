"""Binary cross entropy of each class, for labels of several classes an image."""

import paddle
from paddle.nn import functional as F

from ppcls.batch import SEVERAL_CLASSES, LabelKind, multi_hot_of
from ppcls.losses.base import Loss


class MultiLabelLoss(Loss):
    """Binary cross entropy, averaged over images and classes; with `size_sum` summed over the classes.

    `weight_ratio` multiplies that of each class by exp(1 - ratio) where the image is of the class, else by exp(ratio),
    so that the rarer answer counts more: ratio is the share of the data set's images that are of the class.
    Source: arXiv 2107.03576.
    """

    takes = SEVERAL_CLASSES

    def __init__(self, *, weight: float = 1.0, size_sum: bool = False, weight_ratio: bool = False) -> None:
        self.weight, self.size_sum, self.weight_ratio = weight, size_sum, weight_ratio
        if weight_ratio:
            self.takes = frozenset({LabelKind.MULTI_HOT_WITH_RATIOS})

    def __call__(self, logits: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
        targets = multi_hot_of(labels)
        losses = F.binary_cross_entropy_with_logits(logits.astype("float32"), targets, reduction="none")
        if self.weight_ratio:
            ratios = labels[:, 1]
            losses = losses * paddle.exp(paddle.where(targets > 0.5, 1 - ratios, ratios))
        return (losses.sum(axis=1) if self.size_sum else losses).mean() * self.weight
