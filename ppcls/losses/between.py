"""What losses between models share: the pairs of models, and the outputs that are compared."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

import paddle
from paddle.nn import functional as F

from ppcls.batch import Batch, LabelKind, Outputs
from ppcls.errors import ConfigError
from ppcls.losses.base import Loss
from ppcls.registry import Shared


@dataclass(frozen=True)
class Pairs(Shared):
    """Which models are compared, the one that learns first, and by which of their outputs (unset: the logits)."""

    model_name_pairs: Sequence[tuple[str, str]] = (("Student", "Teacher"),)
    key: Optional[str] = None


class PairLoss(Loss):
    """The sum over pairs of models of how far the first is from the second, times `weight`."""

    takes = frozenset(LabelKind)

    def __init__(self, pairs: Pairs, weight: float) -> None:
        self.pairs, self.weight = pairs, weight

    @abstractmethod
    def between(self, student: paddle.Tensor, teacher: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
        """Return how far the outputs of one pair are apart, the mean over the images."""

    def of(self, outputs: Outputs, batch: Batch) -> paddle.Tensor:
        losses = []
        for student, teacher in self.pairs.model_name_pairs:
            one, other = (output_of(outputs, model, self.pairs.key) for model in (student, teacher))
            losses.append(self.between(one, other, batch.labels))
        return paddle.add_n(losses) * self.weight


def output_of(outputs: Outputs, model: str, key: Optional[str] = None) -> paddle.Tensor:
    """Return an output of one of several models in float32. Raises ConfigError if there is none of that name."""
    name = f"{model}.{key or 'logits'}"
    if name not in outputs:
        raise ConfigError(
            f"Loss: there is no output '{name}' but {', '.join(outputs)}; choose one of them, or add an inner layer to "
            "the return_patterns of its model"
        )
    return outputs[name].astype("float32")


def divergence(log_student: paddle.Tensor, log_teacher: paddle.Tensor) -> paddle.Tensor:
    """Return the Kullback-Leibler divergence of logarithms of probabilities [N, C], the mean over the images."""
    return (log_teacher.exp() * (log_teacher - log_student)).sum(axis=1).mean()


def targets_of(labels: paddle.Tensor, teacher: paddle.Tensor, *, of_teacher: bool) -> paddle.Tensor:
    """Return labels of one class an image as probabilities [N, C]; if wanted the class that the teacher finds."""
    labels = teacher.argmax(axis=1) if of_teacher else labels
    return labels if labels.ndim == 2 else F.one_hot(labels, teacher.shape[1])
