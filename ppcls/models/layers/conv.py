"""Convolution, normalisation and activation as one operation."""

from collections.abc import Sequence
from typing import Any, Optional, Union

import paddle
from paddle import nn

from ppcls.models.layers.norm import batch_norm
from ppcls.models.layers.operators import Activation, DataFormat, Operation, activate

Size = Union[int, tuple[int, int]]


class ConvNormAct(Operation, nn.Layer):
    """Convolution without bias, batch norm and an activation; "same" padding for an odd kernel unless stated.

    The weights start as Paddle's default: normal with std = sqrt(2 / fan_in).
    Source: https://arxiv.org/abs/1502.01852, equation 10.
    """

    operation = "conv_norm_act"
    conv_name = "conv"
    norm_name = "bn"

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        *,
        stride: Size = 1,
        padding: Union[Size, str, None] = None,
        dilation: int = 1,
        groups: int = 1,
        act: Optional[Activation] = None,
        data_format: DataFormat = "NCHW",
        epsilon: float = 1e-5,
        momentum: float = 0.9,
    ) -> None:
        super().__init__()
        conv = nn.Conv2D(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=same_padding(kernel_size, dilation) if padding is None else padding,
            dilation=dilation,
            groups=groups,
            bias_attr=False,
            data_format=data_format,
        )
        self.add_sublayer(self.conv_name, conv)
        self.add_sublayer(
            self.norm_name, batch_norm(out_channels, data_format=data_format, epsilon=epsilon, momentum=momentum)
        )
        self.act = act

    @property
    def convolution(self) -> nn.Conv2D:
        return self._sub_layers[self.conv_name]

    @property
    def norm(self) -> nn.Layer:
        # Not by getattr: the layer's name may be that of this property.
        return self._sub_layers[self.norm_name]

    def forward(self, x: paddle.Tensor, shortcut: Optional[paddle.Tensor] = None) -> Any:
        """Return the layer's result for `x`; a `shortcut` of its shape is added before the activation."""
        return self.operators.conv_norm_act(self, x, shortcut)


class UnderscoreConvNormAct(ConvNormAct):
    """ConvNormAct with the state-dict names of PaddleClas's older families."""

    conv_name = "_conv"
    norm_name = "_batch_norm"


class UnderscoreConvBN(ConvNormAct):
    """ConvNormAct whose parts have the names `_conv` and `_bn` in the state dict."""

    conv_name = "_conv"
    norm_name = "_bn"


class NormConvNormAct(ConvNormAct):
    """ConvNormAct whose norm has the name `norm` in the state dict."""

    norm_name = "norm"


class NormActConv(nn.Layer):
    """Batch norm, ReLU and a convolution without bias, with "same" padding."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, *, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        self._batch_norm = batch_norm(in_channels)
        self._conv = nn.Conv2D(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=kernel_size // 2,
            groups=groups,
            bias_attr=False,
        )

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self._conv(activate("relu", self._batch_norm(x)))


def as_size(value: Union[int, Sequence[int]]) -> Size:
    """Return a number, or a pair (height, width), as layers take it. Raises ValueError for other lists."""
    if isinstance(value, int):
        return value
    if len(value) != 2:
        raise ValueError(f"a size is a number or a pair (height, width); received {list(value)}")
    return (value[0], value[1])


def same_padding(kernel_size: Size, dilation: int = 1) -> Size:
    """Return the padding that keeps the size of an image, for odd kernels and stride 1."""
    if isinstance(kernel_size, int):
        return dilation * (kernel_size - 1) // 2
    height, width = kernel_size
    return (dilation * (height - 1) // 2, dilation * (width - 1) // 2)
