"""Linear layers."""

from typing import Any, ClassVar, Optional

import paddle
import paddle.nn.functional as F
from paddle import nn

from ppcls.models.layers.act import Act
from ppcls.models.layers.operators import Activation, Operation


class Linear(Operation, nn.Linear):
    """`x @ weight + bias`."""

    operation = "linear"


class UniformLinear(Linear):
    """A linear layer whose weights start uniform within 1 / sqrt(in_features)."""

    def __init__(self, in_features: int, out_features: int) -> None:
        bound = in_features**-0.5
        weight_attr = paddle.ParamAttr(initializer=nn.initializer.Uniform(-bound, bound))
        super().__init__(in_features, out_features, weight_attr=weight_attr)


class Head(Linear):
    """The classifier, [N, in_features] -> logits [N, class_num].

    `load_weights` leaves it as initialised if the file's has another number of classes. `std`: of normal initial
    weights (and zero biases); unstated, uniform within 1 / sqrt(in_features).
    """

    # The axis of the weight that the classes are on.
    class_axis: ClassVar[int] = 1

    def __init__(self, in_features: int, class_num: int, *, std: Optional[float] = None, bias: bool = True) -> None:
        if class_num < 1:
            raise ValueError(f"class_num: must be at least 1; received {class_num}")
        bound = in_features**-0.5
        initial = nn.initializer.Uniform(-bound, bound) if std is None else nn.initializer.TruncatedNormal(std=std)
        super().__init__(
            in_features,
            class_num,
            weight_attr=paddle.ParamAttr(initializer=initial),
            bias_attr=None if bias else False,
        )
        self.std = std

    def resized(self, class_num: int) -> "Head":
        """Return a new head of this kind for another number of classes."""
        return Head(self.weight.shape[0], class_num, std=self.std, bias=self.bias is not None)


class ConvHead(Head):
    """A head whose weight is that of a 1x1 convolution, [class_num, in_features, 1, 1]; it also takes images."""

    class_axis = 0

    def __init__(self, in_features: int, class_num: int) -> None:
        super().__init__(in_features, class_num)
        bound = in_features**-0.5
        self.weight = self.create_parameter(
            [class_num, in_features, 1, 1], default_initializer=nn.initializer.Uniform(-bound, bound)
        )

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.product(x, self.weight)

    def product(self, x: paddle.Tensor, weight: paddle.Tensor) -> paddle.Tensor:
        """Return the logits by a weight of that shape."""
        if x.ndim == 2:
            return F.linear(x, weight.flatten(1).t(), self.bias)
        return F.conv2d(x, weight, self.bias)

    def resized(self, class_num: int) -> Head:
        return ConvHead(self.weight.shape[1], class_num)


class Mlp(nn.Layer):
    """Two linear layers around an activation, each followed by dropout; the last axis keeps its width."""

    def __init__(
        self, width: int, hidden: int, *, act: Activation = "gelu", dropout: float = 0.0, **attributes: Any
    ) -> None:
        super().__init__()
        self.fc1 = Linear(width, hidden, **attributes)
        self.fc2 = Linear(hidden, width, **attributes)
        self.act = Act(act)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.dropout(self.fc2(self.dropout(self.act(self.fc1(x)))))
