"""Normalisation."""

import paddle
from paddle import nn

from ppcls.models.layers.operators import DataFormat


def batch_norm(
    num_channels: int,
    *,
    data_format: DataFormat = "NCHW",
    epsilon: float = 1e-5,
    momentum: float = 0.9,
    affine: bool = True,
) -> nn.Layer:
    """Return a batch norm; without `affine`, its factors and offsets stay 1 and 0 and have no place in the state dict.

    Not BatchNorm2D, which warns in every training; and PaddleClas's names of parameters are BatchNorm's.
    """
    norm = nn.BatchNorm(num_channels, data_layout=data_format, epsilon=epsilon, momentum=momentum)
    if not affine:
        for name, value in (("weight", paddle.ones([num_channels])), ("bias", paddle.zeros([num_channels]))):
            delattr(norm, name)
            norm.register_buffer(name, value, persistable=False)
    return norm


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
