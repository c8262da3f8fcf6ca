"""Center loss, whose centers are learned."""

import paddle
from paddle import nn

from ppcls.batch import Batch, LabelKind, Outputs
from ppcls.losses.base import Loss
from ppcls.losses.pairs import features_of


class CenterLoss(nn.Layer, Loss):
    """The squared distance of an image's features to the center of its class, a weight [num_classes, feat_dim].

    Source: Wen et al. 2016, A Discriminative Feature Learning Approach for Deep Face Recognition.
    """

    takes = frozenset({LabelKind.CLASS_IDS})

    def __init__(self, *, num_classes: int, feat_dim: int, weight: float = 1.0, feature_from: str = "features") -> None:
        super().__init__()
        if min(num_classes, feat_dim) < 1:
            raise ValueError(f"num_classes, feat_dim: not positive; received {num_classes}, {feat_dim}")
        self.weight, self.source = weight, feature_from
        self.centers = self.create_parameter(
            [num_classes, feat_dim], default_initializer=nn.initializer.Normal(0.0, 1.0)
        )

    def of(self, outputs: Outputs, batch: Batch) -> paddle.Tensor:
        differences = features_of(outputs, self.source) - self.centers[batch.labels]
        return (differences**2).sum(axis=1).mean() * self.weight
