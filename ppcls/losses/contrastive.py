"""Contrastive losses: similar features for images of one class, others for those of others."""

import paddle

from ppcls.batch import Batch, Outputs
from ppcls.errors import ConfigError
from ppcls.losses.base import Loss
from ppcls.losses.pairs import OF_PAIRS, differ, features_of, same


class ContrastiveLoss(Loss):
    """For each image, 1 - s of those of the same class and s of the others above `margin`, s being their similarity.

    Pairs of the same class that are similar to within `epsilon` of 1 count 0; of features, of length 1 with
    `normalize_feature`, s is the product. Source: arXiv 1912.06798, section 3.
    """

    takes = OF_PAIRS

    def __init__(
        self,
        *,
        weight: float = 1.0,
        margin: float,
        normalize_feature: bool = True,
        epsilon: float = 1e-5,
        feature_from: str = "features",
    ) -> None:
        self.weight, self.margin, self.epsilon = weight, margin, epsilon
        self.normalize, self.source = normalize_feature, feature_from

    def of(self, outputs: Outputs, batch: Batch) -> paddle.Tensor:
        features = features_of(outputs, self.source, normalize=self.normalize)
        return self.between(features, batch.labels, features, batch.labels) * self.weight

    def between(
        self, features: paddle.Tensor, labels: paddle.Tensor, others: paddle.Tensor, their_labels: paddle.Tensor
    ) -> paddle.Tensor:
        """Return the loss of images [N, K] with others [M, K]."""
        similar = features @ others.t()
        nothing = paddle.zeros_like(similar)
        near = paddle.where(same(labels, their_labels) & (similar < 1 - self.epsilon), 1 - similar, nothing)
        far = paddle.where(differ(labels, their_labels) & (similar > self.margin), similar, nothing)
        return (near + far).sum(axis=1).mean()


class SupConLoss(Loss):
    """Supervised contrastive loss: the cross entropy of picking those of the same class among all other images.

    Of the cosine of the features divided by `temperature`; the product without `normalize_feature`. An image that is
    alone in its class counts 0. Source: arXiv 2004.11362, equation 2.
    """

    takes = OF_PAIRS

    def __init__(
        self,
        *,
        weight: float = 1.0,
        temperature: float = 0.07,
        normalize_feature: bool = True,
        feature_from: str = "features",
    ) -> None:
        if temperature <= 0:
            raise ValueError(f"temperature: not positive; received {temperature}; give a number > 0")
        self.weight, self.temperature = weight, temperature
        self.normalize, self.source = normalize_feature, feature_from

    def of(self, outputs: Outputs, batch: Batch) -> paddle.Tensor:
        features = features_of(outputs, self.source, normalize=self.normalize)
        itself = paddle.eye(len(features)) > 0
        logits = paddle.where(itself, paddle.full([], -1e9), features @ features.t() / self.temperature)
        together = (same(batch.labels) & ~itself).astype("float32")
        log_shares = logits - paddle.logsumexp(logits, axis=1, keepdim=True)
        means = (together * log_shares).sum(axis=1) / together.sum(axis=1).clip(min=1)
        return -means.mean() * self.weight


class SoftSupConLoss(Loss):
    """SupConLoss of two views of images whose classes are guesses: a pair counts by how certain both guesses are.

    For `UnLabelLoss` with `train_mode: fixmatch_ccssl`; features as they are. It is multiplied by `temperature` over
    `base_temperature`. Source: CCSSL, arXiv 2203.02261.
    """

    takes = OF_PAIRS

    def __init__(self, *, weight: float = 1.0, temperature: float = 0.07, base_temperature: float = 0.07) -> None:
        if min(temperature, base_temperature) <= 0:
            raise ValueError(f"temperature: not positive; received {temperature}, base {base_temperature}")
        self.weight, self.temperature, self.base = weight, temperature, base_temperature

    def of(self, outputs: Outputs, batch: Batch) -> paddle.Tensor:
        if not {"features", "certainty"} <= outputs.keys():
            raise ConfigError(
                "SoftSupConLoss: is for UnLabelLoss.Train with Global.train_mode: fixmatch_ccssl; move it"
            )
        features, certainty = features_of(outputs, "features"), outputs["certainty"]
        itself = paddle.eye(len(features)) > 0
        logits = paddle.where(itself, paddle.full([], -1e9), features @ features.t() / self.temperature)
        log_shares = logits - paddle.logsumexp(logits, axis=1, keepdim=True)
        pairs = (same(batch.labels).astype("float32") * certainty * certainty.t()).tile([2, 2])
        pairs = paddle.where(itself, paddle.zeros([]), pairs)
        means = (pairs * log_shares).sum(axis=1) / pairs.sum(axis=1)
        return -means.mean() * (self.temperature / self.base) * self.weight
