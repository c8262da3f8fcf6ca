"""Losses for features whose signs are to serve as a binary code."""

import paddle
from paddle.nn import functional as F

from ppcls.batch import Batch, Outputs
from ppcls.losses.base import Loss
from ppcls.losses.pairs import OF_PAIRS, features_of, same, squared_distances


class DSHSDLoss(Loss):
    """Cross entropy of the logits, and `alpha` times half the squared distance of all pairs of features [N, K].

    Of pairs of different classes it is half of what the square lacks of 2 K.
    Source: Wu et al. 2019, Deep Supervised Hashing Based on Stable Distribution.
    """

    takes = OF_PAIRS

    def __init__(self, *, weight: float = 1.0, alpha: float) -> None:
        self.weight, self.alpha = weight, alpha

    def of(self, outputs: Outputs, batch: Batch) -> paddle.Tensor:
        features = features_of(outputs, "features")
        squares = squared_distances(features)
        lacks = F.relu(2 * features.shape[1] - squares)
        pairs = paddle.where(same(batch.labels), squares, lacks).mean() / 2
        return (F.cross_entropy(outputs["logits"].astype("float32"), batch.labels) + self.alpha * pairs) * self.weight


class LCDSHLoss(Loss):
    """The logistic loss of half the product of all pairs of features, which is to be positive within a class.

    And `_lambda` times the squared change of its sigmoid if the signs stand for the features.
    Source: Zhu and Gao 2017, Locality-Constrained Deep Supervised Hashing for Image Retrieval.
    """

    takes = OF_PAIRS

    def __init__(self, *, weight: float = 1.0, _lambda: float) -> None:
        self.weight, self.share = weight, _lambda

    def of(self, outputs: Outputs, batch: Batch) -> paddle.Tensor:
        features = features_of(outputs, "features")
        products = (features @ features.t() / 2).clip(-50, 50)
        likelihood = F.softplus(paddle.where(same(batch.labels), -products, products)).mean()
        codes = features.sign()
        change = ((F.sigmoid(products) - F.sigmoid(codes @ codes.t() / 2)) ** 2).mean()
        return (likelihood + self.share * change) * self.weight


class DCHLoss(Loss):
    """Cauchy cross entropy of the distances of all pairs of features, and `_lambda` times that to codes of 1 and -1.

    Pairs within classes and between them count the same in sum; `gamma` is the distance at which half of the pairs
    are taken to be of one class. Source: Cao et al. 2018, Deep Cauchy Hashing for Hamming Space Retrieval.
    """

    takes = OF_PAIRS

    def __init__(self, *, weight: float = 1.0, gamma: float, _lambda: float) -> None:
        self.weight, self.gamma, self.share = weight, gamma, _lambda

    def of(self, outputs: Outputs, batch: Batch) -> paddle.Tensor:
        features = features_of(outputs, "features")
        together = same(batch.labels).astype("float32")
        odds = _distances(features, features) / self.gamma
        # The mean over pairs of one kind, twice: both kinds weigh the same. There may be no pair of two classes.
        within, between = together / together.mean(), (1 - together) / (1 - together).mean().clip(min=1e-12)
        cauchy = ((within + between) * (together * odds.log() + (1 + 1 / odds).log())).mean()
        quantization = (1 + _distances(features.abs(), paddle.ones_like(features)) / self.gamma).log().mean()
        return (cauchy + self.share * quantization) * self.weight


def _distances(left: paddle.Tensor, right: paddle.Tensor) -> paddle.Tensor:
    """Return the Hamming distance that the cosine of each pair stands for, at least 1 % of half the bits."""
    lengths = left.norm(axis=1, keepdim=True) @ right.norm(axis=1, keepdim=True).t()
    cosines = left @ right.t() / lengths.clip(min=1e-4)
    return (1 - cosines.clip(max=0.99)) * left.shape[1] / 2
