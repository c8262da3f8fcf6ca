"""Normalisation."""

import math

import paddle
import paddle.nn.functional as F
from paddle import nn

from ppcls.models.layers.operators import DataFormat


def batch_norm(
    num_channels: int, *, data_format: DataFormat = "NCHW", epsilon: float = 1e-5, momentum: float = 0.9
) -> nn.Layer:
    """Return a batch norm.

    Not BatchNorm2D, which warns in every training; and PaddleClas's names of parameters are BatchNorm's.
    """
    return nn.BatchNorm(num_channels, data_layout=data_format, epsilon=epsilon, momentum=momentum)


class LayerNorm(nn.LayerNorm):
    """Normalise the last axis of [..., channels]."""

    def __init__(self, num_channels: int, *, epsilon: float = 1e-5) -> None:
        super().__init__(num_channels, epsilon=epsilon)


class LayerNorm2D(nn.LayerNorm):
    """Normalise the channels of each pixel of NCHW images."""

    def __init__(self, num_channels: int, *, epsilon: float = 1e-6) -> None:
        super().__init__(num_channels, epsilon=epsilon)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return super().forward(x.transpose([0, 2, 3, 1])).transpose([0, 3, 1, 2])


class ImageNorm(nn.GroupNorm):
    """Normalise each NCHW image as a whole; scales and offsets are those of its channels.

    A group norm of one group, as a layer norm: paddle2onnx's group norm gives other numbers.
    """

    def __init__(self, num_channels: int, *, epsilon: float = 1e-5) -> None:
        super().__init__(1, num_channels, epsilon=epsilon)

    def forward(self, x_NCHW: paddle.Tensor) -> paddle.Tensor:
        normal = F.layer_norm(x_NCHW.flatten(1), [math.prod(x_NCHW.shape[1:])], epsilon=self._epsilon)
        scale, offset = (weight.reshape([-1, 1, 1]) for weight in (self.weight, self.bias))
        return normal.reshape([-1, *x_NCHW.shape[1:]]) * scale + offset
