"""What stands between a backbone and the losses of retrieval: necks, and heads with margins.

Names in the state dict and in YAMLs: PaddleClas (Apache-2.0).
"""

import math
from dataclasses import dataclass
from typing import Annotated, Any, Optional, Union

import paddle
import paddle.nn.functional as F
from paddle import nn

from ppcls.config.parts import AtLeast, key
from ppcls.models import INITIALIZERS
from ppcls.registry import Part


@dataclass(frozen=True)
class Attribute:
    """How a weight starts, and a factor of its learning rate."""

    initializer: Optional[Annotated[Part, INITIALIZERS]] = key(None, "first values; unset: the layer's own")
    learning_rate: Annotated[float, AtLeast(0)] = key(1.0, "factor of the learning rate")

    def build(self) -> paddle.ParamAttr:
        """Return it as Paddle's layers take it."""
        initializer = self.initializer and INITIALIZERS.build(self.initializer)
        return paddle.ParamAttr(initializer=initializer, learning_rate=self.learning_rate)


Bias = Union[bool, Attribute]


def _weight(attribute: Optional[Attribute], default: nn.initializer.Initializer) -> paddle.ParamAttr:
    return attribute.build() if attribute else paddle.ParamAttr(initializer=default)


def _bias(attribute: Bias) -> Any:
    if isinstance(attribute, bool):
        return paddle.ParamAttr(initializer=nn.initializer.Constant(0.0)) if attribute else False
    return attribute.build()


def checked_width(class_num: int) -> int:
    """Return a number of outputs. Raises ValueError for one that is none."""
    if class_num < 1:
        raise ValueError(f"class_num: must be at least 1; received {class_num}; give the number of outputs")
    return class_num


class FC(nn.Layer):
    """A linear layer, [N, embedding_size] -> [N, class_num]."""

    def __init__(
        self,
        *,
        embedding_size: int,
        class_num: int = 0,
        weight_attr: Optional[Attribute] = None,
        bias_attr: Bias = True,
    ) -> None:
        super().__init__()
        self.num_features = checked_width(class_num)
        self.fc = nn.Linear(
            embedding_size, class_num, _weight(weight_attr, nn.initializer.XavierNormal()), _bias(bias_attr)
        )

    def forward(self, features: paddle.Tensor, labels: Optional[paddle.Tensor] = None) -> paddle.Tensor:
        return self.fc(features)


class BNNeck(nn.Layer):
    """Batch norm of the features, [N, num_features] or [N, num_features, 1, 1]. Source: arXiv 1903.07071."""

    def __init__(self, *, num_features: int, weight_attr: Optional[Attribute] = None, bias_attr: Bias = True) -> None:
        super().__init__()
        self.num_features = num_features
        weight = _weight(weight_attr, nn.initializer.Constant(1.0))
        self.feat_bn = nn.BatchNorm1D(num_features, 0.9, 1e-5, weight_attr=weight, bias_attr=_bias(bias_attr))

    def forward(self, features: paddle.Tensor) -> paddle.Tensor:
        return self.feat_bn(features.flatten(1))


class VehicleNeck(nn.Layer):
    """A convolution of pooled features, [N, in_channels, 1, 1] -> [N, out_channels]."""

    def __init__(self, *, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.num_features = out_channels
        self.conv = nn.Conv2D(in_channels, out_channels, 1)

    def forward(self, features: paddle.Tensor) -> paddle.Tensor:
        return self.conv(features).flatten(1)


class FRFNNeck(nn.Layer):
    """Two linear layers around a leaky ReLU, and length 1: [N, num_features] -> [N, low_dim]."""

    def __init__(self, *, num_features: int, low_dim: int) -> None:
        super().__init__()
        self.num_features = low_dim
        self.fc1 = nn.Linear(num_features, num_features)
        self.fc2 = nn.Linear(num_features, low_dim)

    def forward(self, features: paddle.Tensor) -> paddle.Tensor:
        return F.normalize(self.fc2(F.leaky_relu(self.fc1(features), 0.1)), axis=1)


class Tanh(nn.Layer):
    """The features within -1 and 1, for binary codes."""

    def __init__(self) -> None:
        super().__init__()

    def forward(self, features: paddle.Tensor) -> paddle.Tensor:
        return F.tanh(features)


class CosineHead(nn.Layer):
    """Cosines with a direction for each class, [N, class_num]; where labels are given, with a margin and scaled."""

    weight_name = "weight"

    def __init__(self, embedding_size: int, class_num: int, margin: float, scale: float) -> None:
        super().__init__()
        self.class_num, self.margin, self.scale = checked_width(class_num), margin, scale
        weight = self.create_parameter([embedding_size, class_num], default_initializer=nn.initializer.XavierNormal())
        self.add_parameter(self.weight_name, weight)

    def forward(self, features: paddle.Tensor, labels: Optional[paddle.Tensor] = None) -> paddle.Tensor:
        # In float32, whatever the backbone computes in.
        features = features.astype("float32")
        directions = getattr(self, self.weight_name).astype("float32")
        cosines = F.normalize(features, axis=1) @ F.normalize(directions, axis=0)
        if labels is None or not self.training:
            return cosines
        own = F.one_hot(labels, self.class_num)
        return self.scale * self.with_margin(cosines, own, features)

    def with_margin(self, cosines: paddle.Tensor, own: paddle.Tensor, features: paddle.Tensor) -> paddle.Tensor:
        """Return logits of cosines [N, C], to be scaled; `own` is 1 for each image's class, else 0."""
        raise NotImplementedError


class ArcMargin(CosineHead):
    """The angle to the image's class is larger by `margin`. Source: arXiv 1801.07698, equation 3.

    Beyond pi - margin, or pi / 2 with `easy_margin`, where that would be no angle, the cosine is smaller by
    margin * sin(margin), or stays.
    """

    def __init__(
        self,
        *,
        embedding_size: int,
        class_num: int = 0,
        margin: float = 0.5,
        scale: float = 80.0,
        easy_margin: bool = False,
    ) -> None:
        super().__init__(embedding_size, class_num, margin, scale)
        self.easy_margin = easy_margin

    def with_margin(self, cosines: paddle.Tensor, own: paddle.Tensor, features: paddle.Tensor) -> paddle.Tensor:
        sines = (1 - cosines**2 + 1e-6).clip(min=1e-9).sqrt()
        turned = cosines * math.cos(self.margin) - sines * math.sin(self.margin)
        limit, beyond = (
            (0.0, cosines)
            if self.easy_margin
            else (
                -math.cos(self.margin),
                cosines - self.margin * math.sin(self.margin),
            )
        )
        return paddle.where(own > 0, paddle.where(cosines > limit, turned, beyond), cosines)


class CosMargin(CosineHead):
    """The cosine with the image's class is smaller by `margin`. Source: arXiv 1801.09414, equation 4."""

    def __init__(self, *, embedding_size: int, class_num: int = 0, margin: float = 0.35, scale: float = 64.0) -> None:
        super().__init__(embedding_size, class_num, margin, scale)

    def with_margin(self, cosines: paddle.Tensor, own: paddle.Tensor, features: paddle.Tensor) -> paddle.Tensor:
        return cosines - self.margin * own


class CircleMargin(CosineHead):
    """Cosines count the more the farther they are from where they should be. Source: arXiv 2002.10857, equation 8."""

    def __init__(self, *, embedding_size: int, class_num: int = 0, margin: float, scale: float) -> None:
        super().__init__(embedding_size, class_num, margin, scale)

    def with_margin(self, cosines: paddle.Tensor, own: paddle.Tensor, features: paddle.Tensor) -> paddle.Tensor:
        now = cosines.detach()
        same = F.relu(1 + self.margin - now) * (cosines - (1 - self.margin))
        other = F.relu(now + self.margin) * (cosines - self.margin)
        return paddle.where(own > 0, same, other)


class AdaMargin(CosineHead):
    """A margin by the image's quality, which the length of its features stands for. Source: arXiv 2204.00964.

    `m`: the margin; `h`: how much it varies; `s`: the scale; `t_alpha`: the share of a batch in the running mean and
    deviation of the lengths.
    """

    weight_name = "kernel"

    def __init__(
        self,
        *,
        embedding_size: int = 512,
        class_num: int = 70722,
        m: float = 0.4,
        h: float = 0.333,
        s: float = 64.0,
        t_alpha: float = 1.0,
    ) -> None:
        super().__init__(embedding_size, class_num, m, s)
        self.spread, self.share = h, t_alpha
        self.register_buffer("t", paddle.zeros([1]))  # in PaddleClas's weights, without a use
        self.register_buffer("batch_mean", paddle.full([1], 20.0))
        self.register_buffer("batch_std", paddle.full([1], 100.0))

    def with_margin(self, cosines: paddle.Tensor, own: paddle.Tensor, features: paddle.Tensor) -> paddle.Tensor:
        lengths = features.norm(axis=1, keepdim=True).clip(0.001, 100).detach()
        with paddle.no_grad():
            self.batch_mean.set_value(lengths.mean() * self.share + (1 - self.share) * self.batch_mean)
            if len(lengths) > 1:
                self.batch_std.set_value(lengths.std() * self.share + (1 - self.share) * self.batch_std)
        quality = (self.spread * (lengths - self.batch_mean) / (self.batch_std + 1e-3)).clip(-1, 1)
        angles = cosines.clip(-1 + 1e-3, 1 - 1e-3).acos() - own * self.margin * quality
        return angles.clip(1e-3, math.pi - 1e-3).cos() - own * self.margin * (1 + quality)
