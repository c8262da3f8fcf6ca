"""Squeeze-and-excitation. Source: https://arxiv.org/abs/1709.01507, section 3."""

import paddle
import paddle.nn.functional as F
from paddle import nn

from ppcls.models.layers.linear import UniformLinear
from ppcls.models.layers.operators import Activation, DataFormat, activate


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
        self.add_sublayer(self.conv_names[0], nn.Conv2D(channels, squeezed, 1, bias_attr=bias_attr))
        self.add_sublayer(self.conv_names[1], nn.Conv2D(squeezed, channels, 1, bias_attr=bias_attr))
        self.act, self.gate = act, gate

    def forward(self, x_NCHW: paddle.Tensor) -> paddle.Tensor:
        squeeze, excite = (getattr(self, name) for name in self.conv_names)
        averages = F.adaptive_avg_pool2d(x_NCHW, 1)
        return x_NCHW * activate(self.gate, excite(activate(self.act, squeeze(averages))))


class LinearSqueezeExcite(nn.Layer):
    """The same by linear layers, as the SE-ResNets have it."""

    layer_names = ("squeeze", "excitation")

    def __init__(
        self, channels: int, squeezed: int, *, gate: Activation = "sigmoid", data_format: DataFormat = "NCHW"
    ) -> None:
        super().__init__()
        self.gate = gate
        self.image_axes = [2, 3] if data_format == "NCHW" else [1, 2]
        self.add_sublayer(self.layer_names[0], UniformLinear(channels, squeezed))
        self.add_sublayer(self.layer_names[1], UniformLinear(squeezed, channels))

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        squeeze, excite = (getattr(self, name) for name in self.layer_names)
        gates = activate(self.gate, excite(activate("relu", squeeze(x.mean(self.image_axes)))))
        return x * gates.unsqueeze(self.image_axes)
