"""Losses between inner features [N, C, H, W] of a student and a teacher."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

import paddle
from paddle import nn
from paddle.nn import functional as F

from ppcls.batch import Batch, LabelKind, Outputs
from ppcls.errors import ConfigError
from ppcls.losses.base import Loss
from ppcls.losses.between import output_of
from ppcls.registry import Shared

Shape = tuple[int, int, int]  # channels, height, width
NamePairs = Sequence[tuple[str, str]]


class DistillationRKDLoss(Loss):
    """How far the distances between images, and the angles of three, differ for a student's and a teacher's features.

    `student_keepkeys` and `teacher_keepkeys` name the features, which are averaged to `target_size` x `target_size`
    pixels where that is stated. Source: arXiv 1904.05068, section 3.
    """

    takes = frozenset(LabelKind)

    def __init__(
        self,
        *,
        weight: float = 1.0,
        target_size: Optional[int] = None,
        model_name_pairs: NamePairs = (("Student", "Teacher"),),
        student_keepkeys: Sequence[str] = (),
        teacher_keepkeys: Sequence[str] = (),
    ) -> None:
        if not student_keepkeys or len(student_keepkeys) != len(teacher_keepkeys):
            raise ValueError(
                f"student_keepkeys: needs as many features as teacher_keepkeys, at least one; received "
                f"{list(student_keepkeys)} and {list(teacher_keepkeys)}"
            )
        self.weight, self.target_size, self.pairs = weight, target_size, model_name_pairs
        self.keys = list(zip(student_keepkeys, teacher_keepkeys))

    def of(self, outputs: Outputs, batch: Batch) -> paddle.Tensor:
        losses = []
        for models in self.pairs:
            for keys in self.keys:
                one, other = (self._rows(output_of(outputs, *place)) for place in zip(models, keys))
                losses += [F.smooth_l1_loss(_angles(one), _angles(other))]
                losses += [F.smooth_l1_loss(_relative_distances(one), _relative_distances(other))]
        return paddle.add_n(losses) * self.weight

    def _rows(self, features: paddle.Tensor) -> paddle.Tensor:
        return (F.adaptive_avg_pool2d(features, self.target_size) if self.target_size else features).flatten(1)


@dataclass(frozen=True)
class FeaturePairs(Shared):
    """Which models are compared, the one that learns first, and by which of their features."""

    s_key: str
    t_key: str
    model_name_pairs: NamePairs = (("Student", "Teacher"),)


class FeatureLoss(nn.Layer, Loss):
    """The sum over pairs of models of the distance of their features, with weights to train, times `weight`."""

    takes = frozenset(LabelKind)

    def __init__(self, pairs: FeaturePairs, weight: float) -> None:
        super().__init__()
        self.pairs, self.weight = pairs, weight

    def of(self, outputs: Outputs, batch: Batch) -> paddle.Tensor:
        losses = []
        for student, teacher in self.pairs.model_name_pairs:
            one, other = output_of(outputs, student, self.pairs.s_key), output_of(outputs, teacher, self.pairs.t_key)
            if one.shape[2:] != other.shape[2:]:
                raise ConfigError(
                    f"Loss: s_key: the features '{self.pairs.s_key}' are of {one.shape[2:]} pixels, and '"
                    f"{self.pairs.t_key}' of {other.shape[2:]}; choose layers with features of one size"
                )
            losses.append(self(one, other))
        return paddle.add_n(losses) * self.weight


class MGDLoss(FeatureLoss):
    """How far a teacher's feature is from what two convolutions make of the student's, some channels of it hidden.

    `lambda_mgd` is the share of hidden channels; the mean squared difference is multiplied by `alpha_mgd`.
    Source: arXiv 2205.01529, section 3.
    """

    def __init__(
        self,
        pairs: FeaturePairs,
        *,
        weight: float = 1.0,
        student_channels: int,
        teacher_channels: int,
        alpha_mgd: float = 1.756,
        lambda_mgd: float = 0.15,
    ) -> None:
        super().__init__(pairs, weight)
        self.alpha, self.share = alpha_mgd, lambda_mgd
        same = student_channels == teacher_channels
        self.align = nn.Identity() if same else _conv(student_channels, teacher_channels, 1)
        self.generation = nn.Sequential(
            _conv(teacher_channels, teacher_channels, 3), nn.ReLU(), _conv(teacher_channels, teacher_channels, 3)
        )

    def forward(self, student: paddle.Tensor, teacher: paddle.Tensor) -> paddle.Tensor:
        shown = (paddle.rand([*teacher.shape[:2], 1, 1]) >= self.share).astype(student.dtype)
        return F.mse_loss(self.generation(self.align(student) * shown), teacher) * self.alpha


class PEFDLoss(FeatureLoss):
    """1 less the cosine of a teacher's feature and the mean of `num_projectors` projections of the student's.

    Source: arXiv 2210.15274, section 3.
    """

    def __init__(
        self,
        pairs: FeaturePairs,
        *,
        weight: float = 1.0,
        student_channel: int,
        teacher_channel: int,
        num_projectors: int = 3,
    ) -> None:
        if num_projectors < 1:
            raise ValueError(f"num_projectors: must be at least 1; received {num_projectors}")
        super().__init__(pairs, weight)
        self.projectors = nn.LayerList([nn.Conv2D(student_channel, teacher_channel, 1) for _ in range(num_projectors)])

    def forward(self, student: paddle.Tensor, teacher: paddle.Tensor) -> paddle.Tensor:
        mean = paddle.add_n([F.relu(projector(student)) for projector in self.projectors]) / len(self.projectors)
        return 1 - F.cosine_similarity(mean.flatten(1), teacher.flatten(1), axis=1).mean()


class AFDLoss(nn.Layer, Loss):
    """The squared differences of features of a student and a teacher, by a learned attention of these over those.

    Between the outputs of LinearTransformStudent and LinearTransformTeacher, of features of `s_shapes` and `t_shapes`.
    Source: Ji et al. 2021, Show, Attend and Distill.
    """

    takes = frozenset(LabelKind)

    def __init__(
        self,
        *,
        weight: float = 1.0,
        model_name_pair: tuple[str, str] = ("Student", "Teacher"),
        student_keys: tuple[str, str] = ("bilinear_key", "value"),
        teacher_keys: tuple[str, str] = ("query", "value"),
        s_shapes: Sequence[Shape],
        t_shapes: Sequence[Shape],
        qk_dim: int = 128,
    ) -> None:
        super().__init__()
        self.weight, self.models, self.scale = weight, model_name_pair, qk_dim**-0.5
        self.student_keys, self.teacher_keys = student_keys, teacher_keys
        sizes = list(dict.fromkeys(t_shapes))
        self.value_of = [sizes.index(shape) for shape in t_shapes]
        self.p_t, self.p_s = (
            self.create_parameter([len(shapes), qk_dim], default_initializer=nn.initializer.XavierNormal())
            for shapes in (t_shapes, s_shapes)
        )

    def of(self, outputs: Outputs, batch: Batch) -> paddle.Tensor:
        (student, teacher), (key, value_s), (query, value_t) = self.models, self.student_keys, self.teacher_keys
        keys, queries = output_of(outputs, student, key), output_of(outputs, teacher, query)
        logits = paddle.einsum("bstq,btq->bts", keys, queries) + self.p_t @ self.p_s.t()
        attention = F.softmax(logits * self.scale)  # [N, T, S]
        losses = []
        for number, of_size in enumerate(self.value_of):
            one = output_of(outputs, student, f"{value_s}[{of_size}]")
            other = output_of(outputs, teacher, f"{value_t}[{number}]")
            squares = ((one - other.unsqueeze(1)) ** 2).mean(axis=2)
            losses.append((squares * attention[:, number]).sum(axis=1).mean())
        return paddle.add_n(losses) * self.weight


def _conv(in_channels: int, out_channels: int, kernel_size: int) -> nn.Conv2D:
    """Return a convolution, drawn by the number of its outputs. Source: arXiv 1502.01852, section 2.2."""
    initial = nn.initializer.KaimingNormal(fan_in=out_channels * kernel_size**2, nonlinearity="relu")
    padding, drawn = kernel_size // 2, paddle.ParamAttr(initializer=initial)
    return nn.Conv2D(in_channels, out_channels, kernel_size, padding=padding, weight_attr=drawn)


def _angles(rows: paddle.Tensor) -> paddle.Tensor:
    """Return the cosine at each row between each two others, [N, N, N]."""
    directions = F.normalize(rows.unsqueeze(0) - rows.unsqueeze(1), axis=2)
    return directions @ directions.transpose([0, 2, 1])


def _relative_distances(rows: paddle.Tensor) -> paddle.Tensor:
    """Return the distance of each two rows, [N, N], in units of their mean."""
    squares = (rows**2).sum(axis=1, keepdim=True)
    distances = (squares + squares.t() - 2 * rows @ rows.t()).clip(min=1e-12).sqrt()
    return distances / (distances.mean() + 1e-12)
