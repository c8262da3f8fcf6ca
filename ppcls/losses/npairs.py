"""Losses of all others at once: N-pair and ensemble metric learning."""

import math

import paddle
from paddle.nn import functional as F

from ppcls.batch import Batch, Outputs
from ppcls.losses.base import Loss
from ppcls.losses.pairs import OF_PAIRS, differ, features_of, same, squared_distances


class NpairsLoss(Loss):
    """Cross entropy of picking an image's partner among those of all pairs, by the product of the features.

    Images come in pairs of one class, as of `PKSampler: {sample_per_id: 2}`: 0 with 1, 2 with 3; one without a
    partner does not count. And `reg_lambda` times half the squared length of the features. Source: Sohn 2016, Improved
    Deep Metric Learning with Multi-class N-pair Loss Objective, equation 10.
    """

    takes = OF_PAIRS

    def __init__(self, *, weight: float = 1.0, reg_lambda: float = 0.01) -> None:
        self.weight, self.reg_lambda = weight, reg_lambda

    def of(self, outputs: Outputs, batch: Batch) -> paddle.Tensor:
        features = features_of(outputs, "features")
        partners = features[1::2]
        products = features[::2][: len(partners)] @ partners.t()
        picks = F.cross_entropy(products, paddle.arange(len(partners))) if len(partners) else 0.0
        return (picks + self.reg_lambda / 2 * (features**2).sum(axis=1).mean()) * self.weight


class EmlLoss(Loss):
    """log(1 + b p n) / log(1 + b), b = 100000: p and n are means over the others of an image's class and of all others.

    Of the exponential of their squared distance, and of minus it. An image that is alone in its class counts 0.
    Source: arXiv 1212.6094.
    """

    takes = OF_PAIRS

    def __init__(self, *, weight: float = 1.0) -> None:
        self.weight = weight

    def of(self, outputs: Outputs, batch: Batch) -> paddle.Tensor:
        features, labels = features_of(outputs, "features"), batch.labels
        distances = squared_distances(features)
        partners = same(labels) & (paddle.eye(len(features)) == 0)
        logits = _log_mean_exp(distances, partners) + _log_mean_exp(-distances, differ(labels)) + math.log(BETA)
        return F.softplus(logits).mean() / math.log1p(BETA) * self.weight


BETA = 1e5


def _log_mean_exp(values: paddle.Tensor, mask: paddle.Tensor) -> paddle.Tensor:
    """Return the logarithm of the mean of the exponentials of what the mask leaves of each row; -1e8 of nothing."""
    masked = paddle.where(mask, values, paddle.full([], -1e8))
    return paddle.logsumexp(masked, axis=1) - mask.sum(axis=1).clip(min=1).astype("float32").log()
