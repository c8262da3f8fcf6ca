"""PeleeNet: dense layers of two branches.

Source: https://arxiv.org/abs/1804.06882, figures 1 and 2 and table 1. Names in the state dict and weights: PaddleClas
(Apache-2.0).
"""

from functools import partial

import paddle
from paddle import nn

from ppcls.models.chain import Chain
from ppcls.models.layers import (
    AvgPool,
    Dropout,
    Flatten,
    GlobalAvgPool,
    Head,
    MaxPool,
    NormConvNormAct,
    draw_by_fan_out,
)

GROWTH = 32
# Number of layers, and width of their 1x1 convolutions as a multiple of half of the growth, by stage.
STAGES = ((3, 1), (4, 2), (8, 4), (6, 4))


conv = partial(NormConvNormAct, act="relu")


class DenseLayer(nn.Layer):
    """A branch of one 3x3 convolution and one of two, whose results are appended to the input's channels."""

    def __init__(self, in_channels: int, bottleneck: int) -> None:
        super().__init__()
        half = GROWTH // 2
        hidden = half * bottleneck
        if hidden > in_channels / 2:
            hidden = in_channels // 8 * 4
        self.branch1a = conv(in_channels, hidden, 1)
        self.branch1b = conv(hidden, half, 3)
        self.branch2a = conv(in_channels, hidden, 1)
        self.branch2b = conv(hidden, half, 3)
        self.branch2c = conv(half, half, 3)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        one = self.branch1b(self.branch1a(x))
        two = self.branch2c(self.branch2b(self.branch2a(x)))
        return paddle.concat([x, one, two], axis=1)


class Stem(nn.Layer):
    """Convolutions to a quarter of the height and width, with a max pool beside the second and third."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.stem1 = conv(3, channels, 3, stride=2)
        self.stem2a = conv(channels, channels // 2, 1)
        self.stem2b = conv(channels // 2, channels, 3, stride=2)
        self.stem3 = conv(2 * channels, channels, 1)
        self.pool = MaxPool(2, stride=2)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = self.stem1(x)
        return self.stem3(paddle.concat([self.pool(x), self.stem2b(self.stem2a(x))], axis=1))


class PeleeNet(Chain):
    """PeleeNet; `drop_rate`: of the dropout before the head."""

    head_name = "classifier"

    def __init__(self, *, class_num: int = 1000, drop_rate: float = 0.05) -> None:
        super().__init__()
        channels = 32
        layers: dict[str, nn.Layer] = {"stemblock": Stem(channels)}
        for number, (depth, bottleneck) in enumerate(STAGES, start=1):
            dense = {
                f"denselayer{index + 1}": DenseLayer(channels + index * GROWTH, bottleneck) for index in range(depth)
            }
            channels += depth * GROWTH
            layers[f"denseblock{number}"] = nn.Sequential(*dense.items())
            layers[f"transition{number}"] = conv(channels, channels, 1)
            if number < len(STAGES):
                layers[f"transition{number}_pool"] = AvgPool(2, stride=2)
        # A sublayer alone: as an attribute, the name is the method's.
        self.add_sublayer("features", nn.Sequential(*layers.items()))
        self.avg_pool = GlobalAvgPool()
        self.flatten = Flatten()
        self.dropout = Dropout(drop_rate)
        self.num_features = channels
        self.classifier = Head(channels, class_num, std=0.01)
        draw_by_fan_out(self)
