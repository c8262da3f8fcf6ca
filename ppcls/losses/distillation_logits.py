"""Losses between logits that take the divergence from a teacher apart, or compare something else of them."""

import paddle
from paddle.nn import functional as F

from ppcls.batch import LabelKind
from ppcls.losses.between import PairLoss, Pairs, divergence, targets_of

ONE_CLASS = frozenset({LabelKind.CLASS_IDS, LabelKind.PROBABILITIES})


class DistillationDKDLoss(PairLoss):
    """The divergence taken apart: `alpha` times that of the label's class from the rest, `beta` times that of the rest.

    `use_target_as_gt`: the class that the teacher finds stands for the label. Source: arXiv 2203.08679, section 3.
    """

    takes = frozenset({LabelKind.CLASS_IDS})

    def __init__(
        self,
        pairs: Pairs,
        *,
        weight: float = 1.0,
        temperature: float = 1.0,
        alpha: float = 1.0,
        beta: float = 1.0,
        use_target_as_gt: bool = False,
    ) -> None:
        super().__init__(pairs, weight)
        self.temperature, self.alpha, self.beta, self.of_teacher = temperature, alpha, beta, use_target_as_gt

    def between(self, student: paddle.Tensor, teacher: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
        mask = targets_of(labels, teacher, of_teacher=self.of_teacher)
        whole, rest = [], []
        for logits in (student, teacher.detach()):
            logs = F.log_softmax(logits / self.temperature)
            others = logs - 1000 * mask  # as good as without the class of the label
            of_label = (logs * mask).sum(axis=1, keepdim=True)
            whole.append(paddle.concat([of_label, others.logsumexp(axis=1, keepdim=True)], axis=1))
            rest.append(F.log_softmax(others))
        return (self.alpha * divergence(*whole) + self.beta * divergence(*rest)) * self.temperature**2


class DistillationDISTLoss(PairLoss):
    """How far the probabilities are from being correlated: `beta` times that of each image, `gamma` that of each class.

    Source: arXiv 2205.10536, section 3.
    """

    def __init__(self, pairs: Pairs, *, weight: float = 1.0, beta: float = 1.0, gamma: float = 1.0) -> None:
        super().__init__(pairs, weight)
        self.beta, self.gamma = beta, gamma

    def between(self, student: paddle.Tensor, teacher: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
        one, other = F.softmax(student), F.softmax(teacher)
        return self.beta * _uncorrelated(one, other) + self.gamma * _uncorrelated(one.t(), other.t())


class DistillationWSLLoss(PairLoss):
    """The cross entropy with the teacher at a `temperature`, less for images that the student knows better than it.

    Source: arXiv 2102.00650, section 3.
    """

    takes = ONE_CLASS

    def __init__(
        self, pairs: Pairs, *, weight: float = 1.0, temperature: float = 2.0, use_target_as_gt: bool = False
    ) -> None:
        super().__init__(pairs, weight)
        self.temperature, self.of_teacher = temperature, use_target_as_gt

    def between(self, student: paddle.Tensor, teacher: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
        targets = targets_of(labels, teacher, of_teacher=self.of_teacher)
        by_labels = [-(targets * F.log_softmax(logits.detach())).sum(axis=1) for logits in (student, teacher)]
        shares = 1 - (-by_labels[0] / (by_labels[1] + 1e-7)).exp()
        soft = F.softmax(teacher / self.temperature)
        losses = -(soft * F.log_softmax(student / self.temperature)).sum(axis=1)
        return (losses * shares).mean() * self.temperature**2


class DistillationSKDLoss(PairLoss):
    """Cross entropy of logits of one length: `alpha` times that with the teacher, the rest that with the labels.

    Normalised logits are multiplied by `multiplier`. Source: arXiv 2010.07485, section 4.
    """

    takes = ONE_CLASS

    def __init__(
        self,
        pairs: Pairs,
        *,
        weight: float = 1.0,
        temperature: float = 1.0,
        multiplier: float = 2.0,
        alpha: float = 0.9,
        use_target_as_gt: bool = False,
    ) -> None:
        super().__init__(pairs, weight)
        self.temperature, self.multiplier, self.alpha = temperature, multiplier, alpha
        self.of_teacher = use_target_as_gt

    def between(self, student: paddle.Tensor, teacher: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
        targets = targets_of(labels, teacher, of_teacher=self.of_teacher)
        one, other = (
            F.layer_norm(logits, logits.shape[1:], epsilon=1e-7) * self.multiplier for logits in (student, teacher)
        )
        soft = F.softmax(other / self.temperature)
        by_teacher = -(soft * F.log_softmax(one / self.temperature)).sum(axis=1).mean() * self.temperature**2
        by_labels = -(targets * F.log_softmax(one)).sum(axis=1).mean()
        return self.alpha * by_teacher + (1 - self.alpha) * by_labels


def _uncorrelated(one: paddle.Tensor, other: paddle.Tensor) -> paddle.Tensor:
    """Return 1 less the mean correlation of the rows of one with those of the other."""
    one, other = (rows - rows.mean(axis=1, keepdim=True) for rows in (one, other))
    lengths = one.norm(axis=1) * other.norm(axis=1)
    return 1 - ((one * other).sum(axis=1) / (lengths + 1e-8)).mean()
