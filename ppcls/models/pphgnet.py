"""PP-HGNet: 3x3 convolutions, aggregated, for GPUs.

Source: PaddleClas's docs/en/models/PP-HGNet_en.md, in whose words there is no paper; the blocks are those of VoVNetV2,
https://arxiv.org/abs/1911.06667, figure 2. Names in the state dict and weights: PaddleClas (Apache-2.0).
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import paddle
from paddle import nn

from ppcls.models.chain import Chain
from ppcls.models.layers import Act, Conv2D, ConvNormAct, Gate, GlobalAvgPool, MaxPool, OneShotAggregation
from ppcls.models.model import UNDECAYED_NORM


class Stage(NamedTuple):
    """Channels inside and at the end of each block, and how many blocks; all stages but the first halve the image."""

    hidden: int
    channels: int
    depth: int


class EffectiveSqueezeExcite(nn.Layer):
    """Scale each channel by a gate that one 1x1 convolution computes from the averages of all channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.average, self.conv, self.opening = GlobalAvgPool(), Conv2D(channels, channels, 1), Act("sigmoid")
        self.gate = Gate()

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.gate(x, self.opening(self.conv(self.average(x))))


def _block(in_channels: int, hidden: int, out_channels: int, num_layers: int, shortcut: bool) -> OneShotAggregation:
    widths = (in_channels, *num_layers * (hidden,))
    layers = [ConvNormAct(before, hidden, 3, act="relu") for before in widths[:-1]]
    aggregation = {
        "aggregation_conv": ConvNormAct(sum(widths), out_channels, 1, act="relu"),
        "att": EffectiveSqueezeExcite(out_channels),
    }
    return OneShotAggregation(layers, aggregation, shortcut=shortcut)


class HGStage(nn.Layer):
    """A depthwise convolution that halves the image, where asked for, and blocks."""

    def __init__(self, in_channels: int, blocks: Sequence[nn.Layer], *, halve: bool) -> None:
        super().__init__()
        self.downsample = (
            ConvNormAct(in_channels, in_channels, 3, stride=2, groups=in_channels) if halve else nn.Identity()
        )
        self.blocks = nn.Sequential(*blocks)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.blocks(self.downsample(x))


class PPHGNet(Chain):
    """`num_layers`: convolutions in each block. Without `use_last_conv` the head takes the last stage's channels."""

    only_layers = True
    param_groups = (UNDECAYED_NORM,)

    def __init__(
        self,
        stem_channels: Sequence[int],
        stages: Sequence[Stage],
        num_layers: int,
        *,
        class_num: int = 1000,
        class_expand: int = 2048,
        dropout_prob: float = 0.0,
        use_last_conv: bool = True,
    ) -> None:
        super().__init__()
        stem, channels = [], 3
        for index, width in enumerate(stem_channels):
            stem.append(ConvNormAct(channels, width, 3, stride=1 if index else 2, act="relu"))
            channels = width
        self.stem = nn.Sequential(*stem)
        self.pool = MaxPool(3, stride=2, padding=1)
        built = []
        for index, (hidden, out_channels, depth) in enumerate(stages):
            blocks = [
                _block(out_channels if block else channels, hidden, out_channels, num_layers, shortcut=block > 0)
                for block in range(depth)
            ]
            built.append(HGStage(channels, blocks, halve=index > 0))
            channels = out_channels
        self.stages = nn.Sequential(*built)
        self.add_widened_head(
            channels,
            class_num,
            class_expand=class_expand,
            dropout_prob=dropout_prob,
            act="relu",
            use_last_conv=use_last_conv,
        )


TINY = (Stage(96, 224, 1), Stage(128, 448, 1), Stage(160, 512, 2), Stage(192, 768, 1))
SMALL = (Stage(128, 256, 1), Stage(160, 512, 1), Stage(192, 768, 2), Stage(224, 1024, 1))
BASE = (Stage(192, 320, 1), Stage(224, 640, 2), Stage(256, 960, 3), Stage(288, 1280, 2))

VARIANTS = {
    "PPHGNet_tiny": partial(PPHGNet, (48, 48, 96), TINY, 5),
    "PPHGNet_small": partial(PPHGNet, (64, 64, 128), SMALL, 6),
    "PPHGNet_base": partial(PPHGNet, (96, 96, 160), BASE, 7, dropout_prob=0.2),
}
