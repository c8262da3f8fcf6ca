"""GhostNet: half of each layer's channels are cheap functions of the other half.

Source: https://arxiv.org/abs/1911.11907, figures 2 and 3 and table 1. Names in the state dict and weights: PaddleClas
(Apache-2.0).
"""

from functools import partial
from typing import NamedTuple, Optional

import paddle
from paddle import nn

from ppcls.config.groups import Group
from ppcls.models.chain import Chain
from ppcls.models.layers import (
    Activation,
    Dropout,
    Flatten,
    GlobalAvgPool,
    Head,
    LinearSqueezeExcite,
    UnderscoreConvNormAct,
    make_divisible,
)


class Row(NamedTuple):
    """A block: kernel size, hidden and outgoing channels, squeeze-and-excitation, stride."""

    kernel_size: int
    hidden: int
    channels: int
    use_se: bool
    stride: int


BLOCKS = (
    Row(3, 16, 16, False, 1),
    Row(3, 48, 24, False, 2),
    Row(3, 72, 24, False, 1),
    Row(5, 72, 40, True, 2),
    Row(5, 120, 40, True, 1),
    Row(3, 240, 80, False, 2),
    Row(3, 200, 80, False, 1),
    Row(3, 184, 80, False, 1),
    Row(3, 184, 80, False, 1),
    Row(3, 480, 112, True, 1),
    Row(3, 672, 112, True, 1),
    Row(5, 672, 160, True, 2),
    Row(5, 960, 160, False, 1),
    Row(5, 960, 160, True, 1),
    Row(5, 960, 160, False, 1),
    Row(5, 960, 160, True, 1),
)


class GhostModule(nn.Layer):
    """A 1x1 convolution to half of the channels, and a depthwise 3x3 one of its result for the other half."""

    def __init__(self, in_channels: int, out_channels: int, act: Optional[Activation]) -> None:
        super().__init__()
        half = out_channels // 2
        self.primary_conv = UnderscoreConvNormAct(in_channels, half, 1, act=act)
        self.cheap_operation = UnderscoreConvNormAct(half, half, 3, groups=half, act=act)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = self.primary_conv(x)
        return paddle.concat([x, self.cheap_operation(x)], axis=1)


class Block(nn.Layer):
    """Two ghost modules; a depthwise convolution between them where the image is halved."""

    def __init__(
        self, in_channels: int, hidden: int, out_channels: int, kernel_size: int, *, stride: int, use_se: bool
    ) -> None:
        super().__init__()

        def depthwise(channels: int) -> nn.Layer:
            return UnderscoreConvNormAct(channels, channels, kernel_size, stride=stride, groups=channels)

        self.ghost_module_1 = GhostModule(in_channels, hidden, "relu")
        self.depthwise_conv = depthwise(hidden) if stride > 1 else nn.Identity()
        self.se_block = LinearSqueezeExcite(hidden, hidden // 4, gate="clip") if use_se else nn.Identity()
        self.ghost_module_2 = GhostModule(hidden, out_channels, None)
        self.shortcut_depthwise = self.shortcut_conv = nn.Identity()
        if stride > 1 or in_channels != out_channels:
            self.shortcut_depthwise = depthwise(in_channels)
            self.shortcut_conv = UnderscoreConvNormAct(in_channels, out_channels, 1)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        y = self.ghost_module_2(self.se_block(self.depthwise_conv(self.ghost_module_1(x))))
        return y + self.shortcut_conv(self.shortcut_depthwise(x))


class GhostNet(Chain):
    """`scale` multiplies all channels but those that the head takes."""

    head_name = "fc_1"
    param_groups = (Group(r"_batch_norm\.", weight_decay=0.0),)

    def __init__(self, scale: float, *, class_num: int = 1000) -> None:
        super().__init__()
        conv = partial(UnderscoreConvNormAct, act="relu")
        channels = make_divisible(16 * scale, 4)
        self.conv1 = conv(3, channels, 3, stride=2)
        for index, (kernel_size, width, out_width, use_se, stride) in enumerate(BLOCKS):
            hidden, out_channels = make_divisible(width * scale, 4), make_divisible(out_width * scale, 4)
            block = Block(channels, hidden, out_channels, kernel_size, stride=stride, use_se=use_se)
            self.add_sublayer(f"_ghostbottleneck_{index}", block)
            channels = out_channels
        last_channels = make_divisible(960 * scale, 4)
        self.conv_last = conv(channels, last_channels, 1)
        self.pool2d_gap = GlobalAvgPool()
        self.num_features = 1280
        self.fc_0 = conv(last_channels, self.num_features, 1)
        self.dropout = Dropout(0.2)
        self.flatten = Flatten()
        self.fc_1 = Head(self.num_features, class_num)


VARIANTS = {
    "GhostNet_x0_5": partial(GhostNet, 0.5),
    "GhostNet_x1_0": partial(GhostNet, 1.0),
    "GhostNet_x1_3": partial(GhostNet, 1.3),
}
