"""MobileNetV2: inverted residuals with linear bottlenecks.

Source: https://arxiv.org/abs/1801.04381, table 2. Names in the state dict and weights: PaddleClas (Apache-2.0).
"""

from functools import partial

from paddle import nn

from ppcls.models.chain import Chain
from ppcls.models.layers import Flatten, GlobalAvgPool, Head, InvertedResidual, UnderscoreConvNormAct

# How much wider the inside of a block is, channels that come out, number of blocks, stride of the first one.
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


class Block(InvertedResidual):
    """An inverted residual by the names of PaddleClas's older families."""

    part_names = ("_expand_conv", "_bottleneck_conv", "_se", "_linear_conv")


class MobileNetV2(Chain):
    """`scale` multiplies all channels, those of the last convolution only if it is above 1."""

    only_layers = True
    head_name = "out"

    def __init__(self, scale: float, *, class_num: int = 1000) -> None:
        super().__init__()
        conv = partial(UnderscoreConvNormAct, act="relu6")
        channels = int(32 * scale)
        self.conv1 = conv(3, channels, 3, stride=2)
        for number, (expansion, width, depth, stride) in enumerate(STAGES, start=2):
            blocks = []
            for index in range(depth):
                block = Block(
                    channels,
                    expansion * channels,
                    int(width * scale),
                    3,
                    stride=1 if index else stride,
                    act="relu6",
                    conv=UnderscoreConvNormAct,
                )
                blocks.append((f"conv{number}_{index + 1}" if index else "_first_block", block))
                channels = int(width * scale)
            self.add_sublayer(f"conv{number}", nn.Sequential(*blocks))
        self.num_features = int(1280 * max(scale, 1.0))
        self.conv9 = conv(channels, self.num_features, 1)
        self.pool2d_avg = GlobalAvgPool()
        self.flatten = Flatten()
        self.out = Head(self.num_features, class_num)


VARIANTS = {
    "MobileNetV2_x0_25": partial(MobileNetV2, 0.25),
    "MobileNetV2_x0_5": partial(MobileNetV2, 0.5),
    "MobileNetV2_x0_75": partial(MobileNetV2, 0.75),
    "MobileNetV2": partial(MobileNetV2, 1.0),
    "MobileNetV2_x1_5": partial(MobileNetV2, 1.5),
    "MobileNetV2_x2_0": partial(MobileNetV2, 2.0),
}
