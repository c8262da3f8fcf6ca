"""The block of the MobileNets and their relatives."""

from typing import Callable, ClassVar, Optional

from paddle import nn

from ppcls.models.layers.conv import ConvNormAct, Size
from ppcls.models.layers.operators import Activation
from ppcls.models.layers.residual import Residual


class InvertedResidual(Residual):
    """Widen by a 1x1 convolution, convolve each channel by itself, gate the channels, and narrow linearly.

    The shortcut is between the narrow ends, where they have the same shape. Blocks whose `hidden` channels are those
    that come in may do without widening (`widen`). Source: https://arxiv.org/abs/1801.04381, figure 4d; the gate:
    https://arxiv.org/abs/1905.02244, figure 4.
    """

    # Of the widening, the depthwise convolution, the gate and the narrowing, in the state dict.
    part_names: ClassVar[tuple[str, str, str, str]] = ("expand_conv", "bottleneck_conv", "mid_se", "linear_conv")

    def __init__(
        self,
        in_channels: int,
        hidden: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: Size = 1,
        act: Activation,
        gate: Optional[nn.Layer] = None,
        widen: bool = True,
        drop_path: float = 0.0,
        conv: Callable[..., ConvNormAct] = ConvNormAct,
    ) -> None:
        path = (
            conv(in_channels, hidden, 1, act=act) if widen else None,
            conv(hidden, hidden, kernel_size, stride=stride, groups=hidden, act=act),
            gate,
            conv(hidden, out_channels, 1),
        )
        shortcut = stride == 1 and in_channels == out_channels
        super().__init__(dict(zip(self.part_names, path)), shortcut=shortcut, drop_path=drop_path)
