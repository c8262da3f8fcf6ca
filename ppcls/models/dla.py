"""DLA: blocks in trees, whose roots join the results of all their branches.

Source: https://arxiv.org/abs/1707.06484, figures 2 and 3 and table 1. Names in the state dict and weights: PaddleClas
(Apache-2.0).
"""

from collections.abc import Sequence
from functools import partial
from typing import Callable, Optional

import paddle
from paddle import nn

from ppcls.models.chain import Chain
from ppcls.models.layers import (
    BatchNorm,
    ConvHead,
    ConvNormAct,
    Flatten,
    GlobalAvgPool,
    MaxPool,
    activate,
    draw_by_fan_out,
)

# Makes a block of the channels that come in, those that come out, and the stride.
MakeBlock = Callable[[int, int, int], nn.Layer]


class NumberedConvNormAct(ConvNormAct):
    conv_name = "0"
    norm_name = "1"


class Block(nn.Layer):
    """Convolutions, from `channels[0]` to `channels[-1]`, whose result a shortcut is added to.

    The first 3x3 convolution has the stride; with more than two convolutions it is in `groups` groups.
    """

    def __init__(self, channels: Sequence[int], kernels: Sequence[int], *, stride: int, groups: int) -> None:
        super().__init__()
        self.num_convs = len(kernels)
        for number, kernel_size in enumerate(kernels, start=1):
            conv = nn.Conv2D(
                channels[number - 1],
                channels[number],
                kernel_size,
                stride=stride if number - 1 == kernels.index(3) else 1,
                padding=kernel_size // 2,
                groups=groups if kernel_size == 3 else 1,
                bias_attr=False,
            )
            self.add_sublayer(f"conv{number}", conv)
            self.add_sublayer(f"bn{number}", BatchNorm(channels[number]))

    def forward(self, x: paddle.Tensor, shortcut: paddle.Tensor) -> paddle.Tensor:
        for number in range(1, self.num_convs + 1):
            x = x if number == 1 else activate("relu", x)
            x = getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(x))
        return activate("relu", x + shortcut)


def basic(in_channels: int, out_channels: int, stride: int) -> Block:
    return Block((in_channels, out_channels, out_channels), (3, 3), stride=stride, groups=1)


def bottleneck(in_channels: int, out_channels: int, stride: int, *, groups: int = 1, group_width: int = 64) -> Block:
    """Return 1x1, 3x3 and 1x1 convolutions; `group_width`: channels of a group for each 128 that come out."""
    inner = out_channels * group_width // 64 * groups // 2
    return Block((in_channels, inner, inner, out_channels), (1, 3, 1), stride=stride, groups=groups)


class Tree(nn.Layer):
    """A tree of 2 ** levels blocks; the last two of them have a root, which takes what earlier ones hand down, too.

    `handed`: channels that are handed down to the root; with `joins_input` the tree's own input is as well.
    """

    def __init__(
        self,
        levels: int,
        block: MakeBlock,
        in_channels: int,
        out_channels: int,
        *,
        stride: int,
        residual_root: bool,
        joins_input: bool = False,
        handed: int = 0,
    ) -> None:
        super().__init__()
        self.levels, self.joins_input, self.residual_root = levels, joins_input, residual_root
        handed += in_channels if joins_input else 0
        self.downsample = MaxPool(stride, stride=stride) if stride > 1 else nn.Identity()
        self.project = nn.Identity()
        if levels == 1:
            self.tree1 = block(in_channels, out_channels, stride)
            self.tree2 = block(out_channels, out_channels, 1)
            if in_channels != out_channels:
                self.project = NumberedConvNormAct(in_channels, out_channels, 1)
            self.root = ConvNormAct(2 * out_channels + handed, out_channels, 1, act="relu")
        else:
            tree = partial(Tree, levels - 1, block, residual_root=residual_root)
            self.tree1 = tree(in_channels, out_channels, stride=stride)
            self.tree2 = tree(out_channels, out_channels, stride=1, handed=handed + out_channels)

    def forward(self, x: paddle.Tensor, handed: Sequence[paddle.Tensor] = ()) -> paddle.Tensor:
        smaller = self.downsample(x)
        handed = [*handed, smaller] if self.joins_input else handed
        if self.levels > 1:
            first = self.tree1(x)
            return self.tree2(first, [*handed, first])
        first = self.tree1(x, self.project(smaller))
        second = self.tree2(first, first)
        shortcut: Optional[paddle.Tensor] = second if self.residual_root else None
        return self.root(paddle.concat([second, first, *handed], axis=1), shortcut)


class DLA(Chain):
    """`levels`: of the trees of the four stages; `channels`: of the two convolutions before them, and of theirs."""

    def __init__(
        self,
        levels: tuple[int, int, int, int],
        channels: tuple[int, int, int, int, int, int],
        block: MakeBlock,
        residual_root: bool = False,
        *,
        class_num: int = 1000,
    ) -> None:
        super().__init__()
        self.base_layer = NumberedConvNormAct(3, channels[0], 7, act="relu")
        self.level0 = NumberedConvNormAct(channels[0], channels[0], 3, act="relu")
        self.level1 = NumberedConvNormAct(channels[0], channels[1], 3, stride=2, act="relu")
        tree = partial(Tree, stride=2, residual_root=residual_root)
        self.level2 = tree(levels[0], block, channels[1], channels[2])
        self.level3 = tree(levels[1], block, channels[2], channels[3], joins_input=True)
        self.level4 = tree(levels[2], block, channels[3], channels[4], joins_input=True)
        self.level5 = tree(levels[3], block, channels[4], channels[5], joins_input=True)
        self.global_pool = GlobalAvgPool()
        self.flatten = Flatten()
        self.num_features = channels[-1]
        self.fc = ConvHead(self.num_features, class_num)
        draw_by_fan_out(self)


SMALL, COMPACT, WIDE = (16, 32, 64, 128, 256, 512), (16, 32, 64, 64, 128, 256), (16, 32, 128, 256, 512, 1024)
grouped = partial(bottleneck, groups=32, group_width=4)
twice_grouped = partial(bottleneck, groups=64, group_width=4)

VARIANTS = {
    "DLA46x_c": partial(DLA, (1, 2, 2, 1), COMPACT, grouped),
    "DLA46_c": partial(DLA, (1, 2, 2, 1), COMPACT, bottleneck),
    "DLA60x_c": partial(DLA, (1, 2, 3, 1), COMPACT, grouped),
    "DLA34": partial(DLA, (1, 2, 2, 1), SMALL, basic),
    "DLA60x": partial(DLA, (1, 2, 3, 1), WIDE, grouped),
    "DLA60": partial(DLA, (1, 2, 3, 1), WIDE, bottleneck),
    "DLA102x": partial(DLA, (1, 3, 4, 1), WIDE, grouped, True),
    "DLA102": partial(DLA, (1, 3, 4, 1), WIDE, bottleneck, True),
    "DLA102x2": partial(DLA, (1, 3, 4, 1), WIDE, twice_grouped, True),
    "DLA169": partial(DLA, (2, 3, 5, 1), WIDE, bottleneck, True),
}
