"""Triplet losses: an image is to be nearer to those of its class than to all others, by a margin."""

import paddle
from paddle.nn import functional as F

from ppcls.batch import Batch, Outputs
from ppcls.losses.base import Loss
from ppcls.losses.pairs import OF_PAIRS, features_of, hardest, squared_distances


class TripletLossV2(Loss):
    """How much nearer than `margin` the nearest image of another class is, compared with the farthest of the same.

    By the Euclidean distance of the features, of length 1 with `normalize_feature`. Source: arXiv 1703.07737.
    """

    takes = OF_PAIRS

    def __init__(
        self,
        *,
        weight: float = 1.0,
        margin: float = 0.5,
        normalize_feature: bool = True,
        feature_from: str = "features",
    ) -> None:
        self.weight, self.margin, self.normalize, self.source = weight, margin, normalize_feature, feature_from

    def of(self, outputs: Outputs, batch: Batch) -> paddle.Tensor:
        features = features_of(outputs, self.source, normalize=self.normalize)
        same, other = hardest(squared_distances(features).clip(min=1e-12).sqrt(), batch.labels)
        return F.relu(same - other + self.margin).mean() * self.weight


class TripletAngularMarginLoss(Loss):
    """How much less than `margin` the least similar image of the same class is above the most similar of the others.

    By the cosine of the features, of their product without `normalize_feature`. `add_absolute` adds, times
    `absolute_loss_weight`, how far the same ones are below `ap_value` and the others above `an_value`; and 1, which has
    no gradient, if no other is above it, as PaddleClas does.
    """

    takes = OF_PAIRS

    def __init__(
        self,
        *,
        weight: float = 1.0,
        margin: float = 0.5,
        normalize_feature: bool = True,
        add_absolute: bool = False,
        absolute_loss_weight: float = 1.0,
        ap_value: float = 0.9,
        an_value: float = 0.5,
        feature_from: str = "features",
    ) -> None:
        self.weight, self.margin, self.normalize, self.source = weight, margin, normalize_feature, feature_from
        self.absolute = absolute_loss_weight if add_absolute else 0.0
        self.ap_value, self.an_value = ap_value, an_value

    def of(self, outputs: Outputs, batch: Batch) -> paddle.Tensor:
        features = features_of(outputs, self.source, normalize=self.normalize)
        return self.between(features, batch.labels, features, batch.labels) * self.weight

    def between(
        self, features: paddle.Tensor, labels: paddle.Tensor, others: paddle.Tensor, their_labels: paddle.Tensor
    ) -> paddle.Tensor:
        """Return the loss of images [N, K] with others [M, K]."""
        farthest, nearest = hardest(-(features @ others.t()), labels, their_labels)
        same, other = -farthest, -nearest
        losses = F.relu(other - same + self.margin)
        above = paddle.where(other > self.an_value, other - self.an_value, paddle.ones_like(other))
        return (losses + self.absolute * (F.relu(self.ap_value - same) + above)).mean()


class TripletLoss(TripletLossV2):
    """TripletLossV2 of the features as they are."""

    def __init__(self, *, weight: float = 1.0, margin: float = 1.0) -> None:
        super().__init__(weight=weight, margin=margin, normalize_feature=False)


class TriHardLoss(Loss):
    """How much nearer than `margin` the nearest image of another class is, compared with the farthest of the same.

    By the squared distance of the features, of length 1. Source: arXiv 1703.07737.
    """

    takes = OF_PAIRS

    def __init__(self, *, weight: float = 1.0, margin: float = 0.1) -> None:
        self.weight, self.margin = weight, margin

    def of(self, outputs: Outputs, batch: Batch) -> paddle.Tensor:
        features = features_of(outputs, "features", normalize=True)
        farthest, nearest = hardest(squared_distances(features), batch.labels)
        return self.hinge(farthest, nearest) * self.weight

    def hinge(self, farthest: paddle.Tensor, nearest: paddle.Tensor) -> paddle.Tensor:
        """Return the loss of the hardest distances of each image, [N] both."""
        return F.relu(farthest - nearest + self.margin).mean()


class MSMLoss(TriHardLoss):
    """TriHardLoss of the one hardest pair of a batch within a class and between two. Source: arXiv 1710.00478."""

    def hinge(self, farthest: paddle.Tensor, nearest: paddle.Tensor) -> paddle.Tensor:
        return super().hinge(farthest.max(), nearest.min())
