"""Losses that compare a batch with the features of batches before it, too. Source: arXiv 1912.06798."""

from dataclasses import dataclass
from typing import Union

import paddle
from paddle import nn

from ppcls.batch import Batch, Outputs
from ppcls.errors import ConfigError
from ppcls.losses.base import Loss
from ppcls.losses.contrastive import ContrastiveLoss
from ppcls.losses.pairs import OF_PAIRS, features_of
from ppcls.losses.triplet import TripletAngularMarginLoss
from ppcls.registry import Shared


@dataclass(frozen=True)
class Memory(Shared):
    """The features, `embedding_size` wide, of the last `xbm_size` images, and what the loss with them counts.

    It is multiplied by `xbm_weight`, and counts from batch `start_iter` + 1 on.
    """

    embedding_size: int
    start_iter: int
    xbm_size: int
    xbm_weight: float

    def __post_init__(self) -> None:
        if min(self.xbm_size, self.embedding_size) < 1:
            raise ValueError(f"xbm_size, embedding_size: not positive; received {self.xbm_size}, {self.embedding_size}")


class _WithMemory(nn.Layer, Loss):
    """The loss of a batch, and from batch `start_iter` + 1 on, `xbm_weight` times that with a memory.

    That holds the features of the last `xbm_size` images, the batch's own included. It is a part of checkpoints, and
    is kept by one rank: with several it would be another on each.
    """

    takes = OF_PAIRS

    def __init__(
        self,
        loss: Union[ContrastiveLoss, TripletAngularMarginLoss],
        world_size: int,
        memory: Memory,
    ) -> None:
        super().__init__()
        if world_size > 1:
            raise ValueError(f"it keeps the memory of one rank; received {world_size}; train on one, or use another")
        self.loss, self.memory = loss, memory
        self.register_buffer("features", paddle.zeros([memory.xbm_size, memory.embedding_size]))
        self.register_buffer("labels", paddle.full([memory.xbm_size], -1, "int64"))  # -1: no image yet
        self.register_buffer("batches", paddle.zeros([1], "int64"))
        self.register_buffer("images", paddle.zeros([1], "int64"))

    def of(self, outputs: Outputs, batch: Batch) -> paddle.Tensor:
        features = features_of(outputs, self.loss.source, normalize=self.loss.normalize)
        loss = self.loss.between(features, batch.labels, features, batch.labels)
        started = self._remember(features.detach(), batch.labels)
        remembered = self.loss.between(features, batch.labels, self.features.clone(), self.labels.clone())
        return (loss + started.astype("float32") * self.memory.xbm_weight * remembered) * self.loss.weight

    def _remember(self, features: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
        """Put a batch in place of the oldest images, if it is time; return whether it is. Nothing waits for it."""
        if features.shape[1] != self.features.shape[1] or len(features) > self.memory.xbm_size:
            raise ConfigError(
                f"xbm_size, embedding_size: must hold a batch of {list(features.shape)}; received "
                f"{list(self.features.shape)}"
            )
        self.batches.add_(paddle.ones([1], "int64"))
        started = self.batches > self.memory.start_iter
        places = (self.images + paddle.arange(len(features))) % self.memory.xbm_size
        self.features.set_value(paddle.scatter(self.features, places, features))
        self.labels.set_value(paddle.scatter(self.labels, places, paddle.where(started, labels, -1)))
        self.images.add_(started.astype("int64") * len(features))
        return started[0]


class ContrastiveLoss_XBM(_WithMemory):  # noqa: N801
    """ContrastiveLoss with a memory of the last `xbm_size` images, from batch `start_iter` + 1 on.

    `embedding_size` is the width of the features. It runs on one rank.
    """

    def __init__(
        self,
        world_size: int,
        memory: Memory,
        *,
        weight: float = 1.0,
        margin: float,
        normalize_feature: bool = True,
        epsilon: float = 1e-5,
        feature_from: str = "features",
    ) -> None:
        super().__init__(
            ContrastiveLoss(
                weight=weight,
                margin=margin,
                normalize_feature=normalize_feature,
                epsilon=epsilon,
                feature_from=feature_from,
            ),
            world_size,
            memory,
        )


class TripletAngularMarginLoss_XBM(_WithMemory):  # noqa: N801
    """TripletAngularMarginLoss with a memory of the last `xbm_size` images, from batch `start_iter` + 1 on.

    `embedding_size` is the width of the features. It runs on one rank.
    """

    def __init__(
        self,
        world_size: int,
        memory: Memory,
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
        super().__init__(
            TripletAngularMarginLoss(
                weight=weight,
                margin=margin,
                normalize_feature=normalize_feature,
                add_absolute=add_absolute,
                absolute_loss_weight=absolute_loss_weight,
                ap_value=ap_value,
                an_value=an_value,
                feature_from=feature_from,
            ),
            world_size,
            memory,
        )
