"""Inception-v3: large convolutions as chains of small and one-sided ones, in branches side by side.

Source: https://arxiv.org/abs/1512.00567, table 1 and figures 5 to 10. Names in the state dict and weights: PaddleClas
(Apache-2.0).
"""

from functools import partial
from typing import Any, Optional

import paddle
from paddle import nn

from ppcls.models.layers import AvgPool, ConvNormAct, Dropout, GlobalAvgPool, Head, MaxPool, Size, same_padding
from ppcls.models.model import Model

# Name, channels, kernel size and stride of a convolution; a stride of 2 comes without padding.
Conv = tuple[str, int, Size, int]


class Block(nn.Layer):
    """Branches side by side, concatenated. A branch is a chain of convolutions; a list in it forks its end.

    One more branch is an average of 3 x 3 pixels and a convolution to `pooled` channels, or else halves the image.
    """

    conv: type[ConvNormAct] = ConvNormAct
    # What the convolutions' names start with, and the names in the branch with the pool.
    prefix, pool_name, pool_conv_name = "branch", "branch_pool", "branch_pool_conv"
    # Whether that branch is the first one, and its averages are of the pixels within the image alone.
    pool_first = False

    def __init__(self, in_channels: int, branches: list[list[Any]], *, pooled: Optional[int]) -> None:
        super().__init__()
        self.chains = []
        self.out_channels = in_channels if pooled is None else pooled
        for branch in branches:
            channels, chain = in_channels, []
            for step in branch:
                forks = step if isinstance(step, list) else [step]
                chain.append([self._add(channels, *fork) for fork in forks])
                channels = sum(fork[1] for fork in forks)
            self.chains.append(chain)
            self.out_channels += channels
        if pooled is None:
            self.add_sublayer(self.pool_name, MaxPool(3, stride=2))
            self.add_sublayer(self.pool_conv_name, nn.Identity())
        else:
            self.add_sublayer(self.pool_name, AvgPool(3, stride=1, padding=1, exclusive=self.pool_first))
            self.add_sublayer(self.pool_conv_name, self.conv(in_channels, pooled, 1, act="relu"))

    def _add(self, in_channels: int, name: str, channels: int, kernel_size: Size = 1, stride: int = 1) -> str:
        padding = 0 if stride == 2 else same_padding(kernel_size)
        name = f"{self.prefix}{name}"
        self.add_sublayer(
            name, self.conv(in_channels, channels, kernel_size, stride=stride, padding=padding, act="relu")
        )
        return name

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        outputs = []
        for chain in self.chains:
            y = x
            for names in chain:
                forks = [getattr(self, name)(y) for name in names]
                y = paddle.concat(forks, axis=1) if len(forks) > 1 else forks[0]
            outputs.append(y)
        pooled = getattr(self, self.pool_conv_name)(getattr(self, self.pool_name)(x))
        return paddle.concat([pooled, *outputs] if self.pool_first else [*outputs, pooled], axis=1)


def block_a(in_channels: int, pooled: int) -> Block:
    five = [("5x5_1", 48), ("5x5_2", 64, 5)]
    three = [("3x3dbl_1", 64), ("3x3dbl_2", 96, 3), ("3x3dbl_3", 96, 3)]
    return Block(in_channels, [[("1x1", 64)], five, three], pooled=pooled)


def block_b(in_channels: int) -> Block:
    three = [("3x3dbl_1", 64), ("3x3dbl_2", 96, 3), ("3x3dbl_3", 96, 3, 2)]
    return Block(in_channels, [[("3x3", 384, 3, 2)], three], pooled=None)


def block_c(in_channels: int, inner: int) -> Block:
    seven = [("7x7_1", inner), ("7x7_2", inner, (1, 7)), ("7x7_3", 192, (7, 1))]
    twice = [("7x7dbl_1", inner), ("7x7dbl_2", inner, (7, 1)), ("7x7dbl_3", inner, (1, 7))]
    twice += [("7x7dbl_4", inner, (7, 1)), ("7x7dbl_5", 192, (1, 7))]
    return Block(in_channels, [[("1x1", 192)], seven, twice], pooled=192)


def block_d(in_channels: int) -> Block:
    three = [("3x3_1", 192), ("3x3_2", 320, 3, 2)]
    seven = [("7x7x3_1", 192), ("7x7x3_2", 192, (1, 7)), ("7x7x3_3", 192, (7, 1)), ("7x7x3_4", 192, 3, 2)]
    return Block(in_channels, [three, seven], pooled=None)


def block_e(in_channels: int) -> Block:
    three = [("3x3_1", 384), [("3x3_2a", 384, (1, 3)), ("3x3_2b", 384, (3, 1))]]
    twice = [("3x3dbl_1", 448), ("3x3dbl_2", 384, 3), [("3x3dbl_3a", 384, (1, 3)), ("3x3dbl_3b", 384, (3, 1))]]
    return Block(in_channels, [[("1x1", 320)], three, twice], pooled=192)


class Stem(nn.Layer):
    """Five convolutions and two pools, which divide the image by 8."""

    def __init__(self) -> None:
        super().__init__()
        conv = partial(ConvNormAct, padding=0, act="relu")
        self.conv_1a_3x3 = conv(3, 32, 3, stride=2)
        self.conv_2a_3x3 = conv(32, 32, 3)
        self.conv_2b_3x3 = ConvNormAct(32, 64, 3, act="relu")
        self.max_pool = MaxPool(3, stride=2)
        self.conv_3b_1x1 = conv(64, 80, 1)
        self.conv_4a_3x3 = conv(80, 192, 3)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = self.max_pool(self.conv_2b_3x3(self.conv_2a_3x3(self.conv_1a_3x3(x))))
        return self.max_pool(self.conv_4a_3x3(self.conv_3b_1x1(x)))


class InceptionV3(Model):
    """Images of 299 x 299 pixels as trained; others from 75 on."""

    num_features = 2048

    def __init__(self, *, class_num: int = 1000) -> None:
        super().__init__()
        self.inception_stem = Stem()
        blocks = [block_a(192, 32), block_a(256, 64), block_a(288, 64), block_b(288)]
        blocks += [block_c(768, inner) for inner in (128, 160, 160, 192)]
        self.inception_block_list = nn.LayerList([*blocks, block_d(768), block_e(1280), block_e(2048)])
        self.avg_pool = GlobalAvgPool()
        self.dropout = Dropout(0.2, scale_in_evaluation=True)
        self.flatten = nn.Flatten()
        self.fc = Head(self.num_features, class_num)

    def features(self, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        x = self.inception_stem(images_NCHW)
        for block in self.inception_block_list:
            x = block(x)
        return self.flatten(self.dropout(self.avg_pool(x)))


VARIANTS = {"InceptionV3": partial(InceptionV3)}
