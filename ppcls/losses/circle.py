"""CosFace for pairs, as circle loss has it."""

import paddle
from paddle.nn import functional as F

from ppcls.batch import Batch, Outputs
from ppcls.losses.base import Loss
from ppcls.losses.pairs import OF_PAIRS, features_of, same


class PairwiseCosface(Loss):
    """All cosines with other classes are to be below all within the class by `margin`, at a scale of `gamma`.

    Source: arXiv 2002.10857, equation 1.
    """

    takes = OF_PAIRS

    def __init__(self, *, weight: float = 1.0, margin: float, gamma: float, feature_from: str = "features") -> None:
        self.weight, self.margin, self.gamma, self.source = weight, margin, gamma, feature_from

    def of(self, outputs: Outputs, batch: Batch) -> paddle.Tensor:
        features = features_of(outputs, self.source, normalize=True)
        cosines, together = features @ features.t(), same(batch.labels)
        never = paddle.full([], -1e8)  # finite: an image may have no partner
        pulls = paddle.where(together & (paddle.eye(len(features)) == 0), -self.gamma * cosines, never)
        pushes = paddle.where(together, never, self.gamma * (cosines + self.margin))
        return F.softplus(paddle.logsumexp(pulls, axis=1) + paddle.logsumexp(pushes, axis=1)).mean() * self.weight
