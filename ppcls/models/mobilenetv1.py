"""MobileNetV1: depthwise separable convolutions.

Source: https://arxiv.org/abs/1704.04861, table 1. Names in the state dict and weights: PaddleClas (Apache-2.0).
"""

from functools import partial

import paddle
from paddle import nn

from ppcls.models.chain import Chain
from ppcls.models.layers import ConvNormAct, Flatten, GlobalAvgPool, Head

# Channels that come out of each block, and its stride.
BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *5 * ((512, 1),), (1024, 2), (1024, 1))


class DepthwiseSeparable(nn.Layer):
    """A depthwise 3x3 convolution and a 1x1 convolution."""

    def __init__(self, in_channels: int, out_channels: int, *, stride: int) -> None:
        super().__init__()
        self.depthwise_conv = ConvNormAct(in_channels, in_channels, 3, stride=stride, groups=in_channels, act="relu")
        self.pointwise_conv = ConvNormAct(in_channels, out_channels, 1, act="relu")

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.pointwise_conv(self.depthwise_conv(x))


class MobileNetV1(Chain):
    """`scale` multiplies all channels."""

    only_layers = True

    def __init__(self, scale: float, *, class_num: int = 1000) -> None:
        super().__init__()
        channels = int(32 * scale)
        self.conv = ConvNormAct(3, channels, 3, stride=2, act="relu")
        blocks = []
        for width, stride in BLOCKS:
            blocks.append(DepthwiseSeparable(channels, int(width * scale), stride=stride))
            channels = int(width * scale)
        self.blocks = nn.Sequential(*blocks)
        self.avg_pool = GlobalAvgPool()
        self.flatten = Flatten()
        self.num_features = channels
        self.fc = Head(channels, class_num)


VARIANTS = {
    "MobileNetV1_x0_25": partial(MobileNetV1, 0.25),
    "MobileNetV1_x0_5": partial(MobileNetV1, 0.5),
    "MobileNetV1_x0_75": partial(MobileNetV1, 0.75),
    "MobileNetV1": partial(MobileNetV1, 1.0),
}
