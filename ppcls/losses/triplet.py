"""Triplet losses: an image is to be nearer to those of its class than to all others, by a margin."""

import paddle
from paddle.nn import functional as F

from ppcls.batch import Batch, Outputs
from ppcls.losses.base import Loss
from ppcls.losses.pairs import OF_PAIRS, features_of, hardest


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
        squares = (features**2).sum(axis=1, keepdim=True)
        distances = squares + squares.t() - 2 * features @ features.t()
        same, other = hardest(distances.clip(min=1e-12).sqrt(), batch.labels)
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
        farthest, nearest = hardest(-(features @ features.t()), batch.labels)
        same, other = -farthest, -nearest
        losses = F.relu(other - same + self.margin)
        above = paddle.where(other > self.an_value, other - self.an_value, paddle.ones_like(other))
        absolute = F.relu(self.ap_value - same) + above
        return (losses + self.absolute * absolute).mean() * self.weight
