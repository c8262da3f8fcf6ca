"""DenseNet: each layer sees what all layers before it in its block have made.

Source: https://arxiv.org/abs/1608.06993, table 1. Names in the state dict and weights: PaddleClas (Apache-2.0).
"""

from functools import partial

import paddle
from paddle import nn

from ppcls.models.layers import (
    AvgPool,
    GlobalAvgPool,
    Head,
    MaxPool,
    NormActConv,
    UnderscoreConvNormAct,
    activate,
    batch_norm,
)
from ppcls.models.model import Model

# Channels of a layer's 1x1 convolution, for each channel that it adds.
BOTTLENECK = 4


class DenseLayer(nn.Layer):
    """Add `growth` channels to those that come in."""

    def __init__(self, in_channels: int, growth: int, dropout: float) -> None:
        super().__init__()
        self.bn_ac_func1 = NormActConv(in_channels, BOTTLENECK * growth, 1)
        self.bn_ac_func2 = NormActConv(BOTTLENECK * growth, growth, 3)
        self.dropout = nn.Dropout(dropout, mode="downscale_in_infer")

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return paddle.concat([x, self.dropout(self.bn_ac_func2(self.bn_ac_func1(x)))], axis=1)


class Transition(nn.Layer):
    """Halve the channels and the image."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.conv_ac_func = NormActConv(in_channels, in_channels // 2, 1)
        self.pool2d_avg = AvgPool(2, stride=2)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.pool2d_avg(self.conv_ac_func(x))


class DenseNet(Model):
    """`depths`: layers of each block; each layer adds `growth` channels to the `stem` ones."""

    head_name = "out"

    def __init__(
        self,
        depths: tuple[int, int, int, int],
        growth: int = 32,
        stem: int = 64,
        *,
        class_num: int = 1000,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.conv1_func = UnderscoreConvNormAct(3, stem, 7, stride=2, act="relu")
        self.pool2d_max = MaxPool(3, stride=2, padding=1)
        channels = stem
        self.part_names: list[str] = []
        for number, depth in enumerate(depths, start=2):
            block = nn.Sequential()
            for index in range(depth):
                block.add_sublayer(f"conv{number}_{index + 1}", DenseLayer(channels, growth, dropout))
                channels += growth
            self._add(f"db_conv_{number}", block)
            if number <= len(depths):
                self._add(f"tr_conv{number}_blk", Transition(channels))
                channels //= 2
        self.batch_norm = batch_norm(channels)
        self.pool2d_avg = GlobalAvgPool()
        self.flatten = nn.Flatten()
        self.num_features = channels
        self.out = Head(channels, class_num)

    def _add(self, name: str, part: nn.Layer) -> None:
        self.part_names.append(name)
        self.add_sublayer(name, part)

    def features(self, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        x = self.pool2d_max(self.conv1_func(images_NCHW))
        for name in self.part_names:
            x = getattr(self, name)(x)
        return self.flatten(self.pool2d_avg(activate("relu", self.batch_norm(x))))


VARIANTS = {
    "DenseNet121": partial(DenseNet, (6, 12, 24, 16)),
    "DenseNet161": partial(DenseNet, (6, 12, 36, 24), 48, 96),
    "DenseNet169": partial(DenseNet, (6, 12, 32, 32)),
    "DenseNet201": partial(DenseNet, (6, 12, 48, 32)),
    "DenseNet264": partial(DenseNet, (6, 12, 64, 48)),
}
