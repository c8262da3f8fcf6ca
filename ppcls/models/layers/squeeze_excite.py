"""Squeeze-and-excitation. Source: https://arxiv.org/abs/1709.01507, section 3."""

import paddle
from paddle import nn

from ppcls.models.layers.operators import Activation, activate


class SqueezeExcite(nn.Layer):
    """Scale each channel by a gate that a small network computes from the averages of all channels.

    `conv1` and `conv2` are its 1x1 convolutions, to `squeezed` channels and back.
    """

    def __init__(
        self, channels: int, squeezed: int, *, act: Activation = "relu", gate: Activation = "hardsigmoid"
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2D(channels, squeezed, 1)
        self.conv2 = nn.Conv2D(squeezed, channels, 1)
        self.act, self.gate = act, gate

    def forward(self, x_NCHW: paddle.Tensor) -> paddle.Tensor:
        averages = x_NCHW.mean([2, 3], keepdim=True)
        return x_NCHW * activate(self.gate, self.conv2(activate(self.act, self.conv1(averages))))
