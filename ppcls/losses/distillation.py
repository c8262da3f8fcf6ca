"""Losses between the outputs of models that learn from each other or from a teacher, and of such models by labels."""

from collections.abc import Sequence
from typing import Literal, Optional, Union

import numpy as np
import paddle
from numpy.typing import NDArray
from paddle.nn import functional as F

from ppcls.batch import Batch, LabelKind, Outputs
from ppcls.losses.base import Loss
from ppcls.losses.between import PairLoss, Pairs, divergence, output_of
from ppcls.losses.cross_entropy import CELoss
from ppcls.losses.multi_label import MultiLabelLoss

DISTANCES = {"l1": F.l1_loss, "l2": F.mse_loss, "smooth_l1": F.smooth_l1_loss}


class _WithLabels(Loss):
    """A loss of each of `model_names` with the labels; the sum of all. `key`: which of a model's outputs."""

    def __init__(self, loss: Union[CELoss, MultiLabelLoss], model_names: Sequence[str], key: Optional[str]) -> None:
        self.loss, self.model_names, self.key = loss, model_names, key

    def of(self, outputs: Outputs, batch: Batch) -> paddle.Tensor:
        return paddle.add_n([self.loss(output_of(outputs, name, self.key), batch.labels) for name in self.model_names])


class DistillationGTCELoss(_WithLabels):
    """The cross entropy of each of `model_names` with the labels, see CELoss; the sum over the models."""

    takes = CELoss.takes

    def __init__(
        self,
        class_counts: NDArray[np.int64],
        *,
        weight: float = 1.0,
        epsilon: Optional[float] = None,
        model_names: Sequence[str] = ("Student",),
        key: Optional[str] = None,
    ) -> None:
        super().__init__(CELoss(class_counts, weight=weight, epsilon=epsilon), model_names, key)


class DistillationMultiLabelLoss(_WithLabels):
    """The binary cross entropy of each of `model_names` with the labels, see MultiLabelLoss; the sum of all."""

    def __init__(
        self,
        *,
        weight: float = 1.0,
        size_sum: bool = False,
        weight_ratio: bool = False,
        model_names: Sequence[str] = ("Student",),
        key: Optional[str] = None,
    ) -> None:
        loss = MultiLabelLoss(weight=weight, size_sum=size_sum, weight_ratio=weight_ratio)
        super().__init__(loss, model_names, key)
        self.takes = loss.takes


class DistillationCELoss(PairLoss):
    """Cross entropy with the probabilities of the second model, which does not learn by it.

    `epsilon`: the share of those that is spread evenly over all classes.
    """

    def __init__(self, pairs: Pairs, *, weight: float = 1.0, epsilon: Optional[float] = None) -> None:
        super().__init__(pairs, weight)
        if epsilon is not None and not 0 <= epsilon < 1:
            raise ValueError(f"epsilon: out of range; received {epsilon}; give a number >= 0 and < 1")
        self.epsilon = epsilon or 0.0

    def between(self, student: paddle.Tensor, teacher: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
        targets = F.softmax(teacher.detach())
        return F.cross_entropy(student, targets, soft_label=True, label_smoothing=self.epsilon)


class DistillationKLDivLoss(PairLoss):
    """The divergence from the second model, which does not learn by it, at a `temperature`.

    Source: arXiv 1503.02531, section 2.
    """

    def __init__(self, pairs: Pairs, *, weight: float = 1.0, temperature: float = 4.0) -> None:
        super().__init__(pairs, weight)
        self.temperature = temperature

    def between(self, student: paddle.Tensor, teacher: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
        logs = [F.log_softmax(logits / self.temperature) for logits in (student, teacher.detach())]
        return divergence(*logs) * self.temperature**2


class DistillationDMLLoss(PairLoss):
    """The mean of the divergences in both directions; both models learn by it. Source: arXiv 1706.00384, section 3.

    `act` makes probabilities of the outputs, null: they are. `weight_ratio` multiplies the part of each class as
    MultiLabelLoss does. `sum_across_class_dim` counts all of it once for each class.
    """

    def __init__(
        self,
        pairs: Pairs,
        *,
        weight: float = 1.0,
        act: Optional[Literal["softmax", "sigmoid"]] = "softmax",
        weight_ratio: bool = False,
        sum_across_class_dim: bool = False,
    ) -> None:
        super().__init__(pairs, weight)
        self.act, self.weight_ratio, self.sum_across_class_dim = act, weight_ratio, sum_across_class_dim
        if weight_ratio:
            self.takes = frozenset({LabelKind.MULTI_HOT_WITH_RATIOS})

    def between(self, student: paddle.Tensor, teacher: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
        one, other = (self._probabilities(outputs) for outputs in (student, teacher))
        tiny = 1e-12
        # Both divergences in one, of each class.
        losses = (other - one) * ((other + tiny) / (one + tiny)).log() / 2
        if self.weight_ratio:
            targets, ratios = labels[:, 0], labels[:, 1]
            losses = losses * paddle.where(targets > 0.5, 1 - ratios, ratios).exp()
        return losses.sum(axis=1).mean() * (losses.shape[1] if self.sum_across_class_dim else 1)

    def _probabilities(self, outputs: paddle.Tensor) -> paddle.Tensor:
        if self.act is None:
            return outputs
        return F.softmax(outputs) if self.act == "softmax" else F.sigmoid(outputs)


class DistillationDistanceLoss(PairLoss):
    """The mean distance of the outputs, element by element: absolute (`l1`), squared (`l2`) or `smooth_l1`."""

    def __init__(
        self,
        pairs: Pairs,
        *,
        weight: float = 1.0,
        mode: Literal["l1", "l2", "smooth_l1"] = "l2",
        act: Optional[Literal["softmax", "sigmoid"]] = None,
    ) -> None:
        super().__init__(pairs, weight)
        self.distance, self.act = DISTANCES[mode], act

    def between(self, student: paddle.Tensor, teacher: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
        if self.act is not None:
            student, teacher = (getattr(F, self.act)(outputs) for outputs in (student, teacher))
        return self.distance(student, teacher)
