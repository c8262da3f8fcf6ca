"""RegNetX: the widths of all blocks come from a line, quantised.

Source: https://arxiv.org/abs/2003.13678, equations 2 to 4 and the table of its appendix. Names in the state dict and
weights: PaddleClas (Apache-2.0).
"""

from functools import partial
from itertools import groupby

import numpy as np
import paddle
from paddle import nn

from ppcls.models.layers import Branch, Flatten, GlobalAvgPool, Head, UnderscoreConvNormAct
from ppcls.models.model import Model

STEM_WIDTH = 32
QUANTUM = 8


def stage_widths(slope: float, initial: int, ratio: float, depth: int) -> list[tuple[int, int]]:
    """Return width and number of blocks of each stage, before widths are fitted to groups."""
    line = initial + slope * np.arange(depth)
    steps = np.round(np.log(line / initial) / np.log(ratio))
    widths = np.round(initial * ratio**steps / QUANTUM).astype(int) * QUANTUM
    return [(width, len(list(blocks))) for width, blocks in groupby(widths.tolist())]


class Bottleneck(nn.Layer):
    """1x1, grouped 3x3 and 1x1 convolutions of one width around a shortcut."""

    def __init__(self, in_channels: int, width: int, *, stride: int, group_width: int, projects: bool) -> None:
        super().__init__()
        self.branch = Branch()
        self.conv0 = UnderscoreConvNormAct(in_channels, width, 1, act="relu")
        self.conv1 = UnderscoreConvNormAct(width, width, 3, stride=stride, groups=width // group_width, act="relu")
        self.conv2 = UnderscoreConvNormAct(width, width, 1, act="relu")
        self.short = UnderscoreConvNormAct(in_channels, width, 1, stride=stride) if projects else nn.Identity()

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x, beside = self.branch(x)
        return self.conv2(self.conv1(self.conv0(x)), self.short(beside))


class RegNet(Model):
    """`slope`, `initial` width, `ratio` and `depth` give the stages; `group_width` channels are a group."""

    head_name = "out"
    only_layers = True

    def __init__(
        self, slope: float, initial: int, ratio: float, depth: int, group_width: int, *, class_num: int = 1000
    ) -> None:
        super().__init__()
        self.conv = UnderscoreConvNormAct(3, STEM_WIDTH, 3, stride=2, act="relu")
        in_channels, self.block_names = STEM_WIDTH, []
        for stage, (width, num_blocks) in enumerate(stage_widths(slope, initial, ratio, depth), start=1):
            in_group = min(group_width, width)
            width = round(width / in_group) * in_group
            for index in range(num_blocks):
                first = index == 0
                block = Bottleneck(in_channels, width, stride=2 if first else 1, group_width=in_group, projects=first)
                self.block_names.append(f"s{stage}_b{index + 1}")
                self.add_sublayer(self.block_names[-1], block)
                in_channels = width
        self.pool2d_avg = GlobalAvgPool()
        self.flatten = Flatten()
        self.num_features = in_channels
        self.out = Head(in_channels, class_num)

    def features(self, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        x = self.conv(self.operators.images(self, images_NCHW))
        for name in self.block_names:
            x = getattr(self, name)(x)
        return self.flatten(self.pool2d_avg(x))


VARIANTS = {
    "RegNetX_200MF": partial(RegNet, 36.44, 24, 2.49, 13, 8),
    "RegNetX_400MF": partial(RegNet, 24.48, 24, 2.54, 22, 16),
    "RegNetX_600MF": partial(RegNet, 36.97, 48, 2.24, 16, 24),
    "RegNetX_800MF": partial(RegNet, 35.73, 56, 2.28, 16, 16),
    "RegNetX_1600MF": partial(RegNet, 34.01, 80, 2.25, 18, 24),
    "RegNetX_3200MF": partial(RegNet, 26.31, 88, 2.25, 25, 48),
    "RegNetX_4GF": partial(RegNet, 38.65, 96, 2.43, 23, 40),
    "RegNetX_6400MF": partial(RegNet, 60.83, 184, 2.07, 17, 56),
    "RegNetX_8GF": partial(RegNet, 49.56, 80, 2.88, 23, 120),
    "RegNetX_12GF": partial(RegNet, 73.36, 168, 2.37, 19, 112),
    "RegNetX_16GF": partial(RegNet, 55.59, 216, 2.1, 22, 128),
    "RegNetX_32GF": partial(RegNet, 69.86, 320, 2.0, 23, 168),
}
