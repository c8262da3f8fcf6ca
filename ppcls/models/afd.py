"""What attention-based feature distillation compares: features of a teacher and a student, made comparable.

Source: Ji et al. 2021, Show, Attend and Distill: Knowledge Distillation via Attention-based Feature Matching.
"""

from collections.abc import Mapping, Sequence

import paddle
from paddle import nn
from paddle.nn import functional as F

from ppcls.models.layers import Linear

Shape = tuple[int, int, int]  # channels, height, width


class LinearNorm(nn.Layer):
    """A linear layer and a batch norm."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.linear = Linear(in_features, out_features)
        self.bn = nn.BatchNorm1D(out_features)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.bn(self.linear(x))


class LinearTransformTeacher(nn.Layer):
    """Features by name -> "query" [N, T, qk_dim], and for each of the T features "value[t]" [N, height * width].

    `t_shapes` are the shapes of the features `keys`.
    """

    def __init__(self, *, qk_dim: int, t_shapes: Sequence[Shape], keys: Sequence[str]) -> None:
        super().__init__()
        self.keys = keys
        self.query_layer = nn.LayerList([LinearNorm(channels, qk_dim) for channels, _, _ in t_shapes])

    def forward(self, features: Mapping[str, paddle.Tensor]) -> dict[str, paddle.Tensor]:
        found = [features[key] for key in self.keys]
        queries = [layer(one.mean(axis=[2, 3])) for layer, one in zip(self.query_layer, found)]
        values = [F.normalize(_energy(one).flatten(1), axis=1) for one in found]
        return {"query": paddle.stack(queries, axis=1), **{f"value[{t}]": value for t, value in enumerate(values)}}


class LinearTransformStudent(nn.Layer):
    """Features by name -> "bilinear_key" [N, S, T, qk_dim], and "value[u]" [N, S, height * width].

    There is a value for each size among the T features of the teacher, in the order in which they come first.
    """

    def __init__(
        self, *, qk_dim: int, t_shapes: Sequence[Shape], s_shapes: Sequence[Shape], keys: Sequence[str]
    ) -> None:
        super().__init__()
        self.keys, self.qk_dim, self.num_queries = keys, qk_dim, len(t_shapes)
        self.sizes = [(height, width) for _, height, width in dict.fromkeys(t_shapes)]
        self.key_layer = nn.LayerList([LinearNorm(channels, qk_dim) for channels, _, _ in s_shapes])
        self.bilinear = LinearNorm(qk_dim, qk_dim * self.num_queries)

    def forward(self, features: Mapping[str, paddle.Tensor]) -> dict[str, paddle.Tensor]:
        found = [features[key] for key in self.keys]
        keys = paddle.stack([F.relu(layer(one.mean(axis=[2, 3]))) for layer, one in zip(self.key_layer, found)], axis=1)
        bilinear = self.bilinear(keys.reshape([-1, self.qk_dim]))
        outputs = {"bilinear_key": bilinear.reshape([-1, len(found), self.num_queries, self.qk_dim])}
        for number, size in enumerate(self.sizes):
            energies = [F.adaptive_avg_pool2d(_energy(one), size).flatten(1) for one in found]
            outputs[f"value[{number}]"] = F.normalize(paddle.stack(energies, axis=1), axis=2)
        return outputs


def _energy(features_NCHW: paddle.Tensor) -> paddle.Tensor:
    """Return the mean square over the channels, [N, 1, height, width]."""
    return (features_NCHW**2).mean(axis=1, keepdim=True)
