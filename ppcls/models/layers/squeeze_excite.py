"""Squeeze-and-excitation. Source: https://arxiv.org/abs/1709.01507, section 3."""

from typing import Any

import paddle
from paddle import nn

from ppcls.models.layers.act import Act
from ppcls.models.layers.conv import Conv2D
from ppcls.models.layers.joins import Flatten, Gate
from ppcls.models.layers.linear import UniformLinear
from ppcls.models.layers.operators import Activation, DataFormat
from ppcls.models.layers.pools import GlobalAvgPool


class SqueezeExcite(nn.Layer):
    """Scale each channel by a gate that a small network computes from the averages of all channels.

    Its 1x1 convolutions, to `squeezed` channels and back, have the names `conv_names`.
    """

    conv_names = ("conv1", "conv2")

    def __init__(
        self,
        channels: int,
        squeezed: int,
        *,
        act: Activation = "relu",
        gate: Activation = "hardsigmoid",
        bias: bool = True,
    ) -> None:
        super().__init__()
        bias_attr = None if bias else False
        self.average = GlobalAvgPool()
        self.add_sublayer(self.conv_names[0], Conv2D(channels, squeezed, 1, bias_attr=bias_attr))
        self.act = Act(act)
        self.add_sublayer(self.conv_names[1], Conv2D(squeezed, channels, 1, bias_attr=bias_attr))
        self.opening = Act(gate)
        self.gate = Gate()

    def forward(self, x: paddle.Tensor) -> Any:
        squeeze, excite = (getattr(self, name) for name in self.conv_names)
        return self.gate(x, self.opening(excite(self.act(squeeze(self.average(x))))))


class LinearSqueezeExcite(nn.Layer):
    """The same by linear layers, as the SE-ResNets have it."""

    layer_names = ("squeeze", "excitation")

    def __init__(
        self, channels: int, squeezed: int, *, gate: Activation = "sigmoid", data_format: DataFormat = "NCHW"
    ) -> None:
        super().__init__()
        self.average, self.flatten = GlobalAvgPool(data_format), Flatten()
        self.add_sublayer(self.layer_names[0], UniformLinear(channels, squeezed))
        self.act = Act("relu")
        self.add_sublayer(self.layer_names[1], UniformLinear(squeezed, channels))
        self.opening = Act(gate)
        self.gate = Gate(data_format)

    def forward(self, x: paddle.Tensor) -> Any:
        squeeze, excite = (getattr(self, name) for name in self.layer_names)
        return self.gate(x, self.opening(excite(self.act(squeeze(self.flatten(self.average(x)))))))
