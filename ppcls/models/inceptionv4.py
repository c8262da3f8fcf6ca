"""Inception-v4.

Source: https://arxiv.org/abs/1602.07261, figures 3 to 9. Names in the state dict and weights: PaddleClas (Apache-2.0).
"""

from functools import partial

import paddle
from paddle import nn

from ppcls.models import inceptionv3
from ppcls.models.chain import Chain
from ppcls.models.layers import Dropout, GlobalAvgPool, Head, MaxPool, UnderscoreConvNormAct


class Block(inceptionv3.Block):
    """The branch with the pool comes first here, and its averages are of true pixels alone."""

    conv = UnderscoreConvNormAct
    prefix, pool_name, pool_conv_name = "_conv", "_pool", "_conv1"
    pool_first = True


def block_a() -> Block:
    three = [("3_1", 64), ("3_2", 96, 3)]
    twice = [("4_1", 64), ("4_2", 96, 3), ("4_3", 96, 3)]
    return Block(384, [[("2", 96)], three, twice], pooled=96)


def reduction_a() -> Block:
    return Block(384, [[("2", 384, 3, 2)], [("3_1", 192), ("3_2", 224, 3), ("3_3", 256, 3, 2)]], pooled=None)


def block_b() -> Block:
    seven = [("3_1", 192), ("3_2", 224, (1, 7)), ("3_3", 256, (7, 1))]
    twice = [("4_1", 192), ("4_2", 192, (1, 7)), ("4_3", 224, (7, 1)), ("4_4", 224, (1, 7)), ("4_5", 256, (7, 1))]
    return Block(1024, [[("2", 384)], seven, twice], pooled=128)


def reduction_b() -> Block:
    three = [("2_1", 192), ("2_2", 192, 3, 2)]
    seven = [("3_1", 256), ("3_2", 256, (1, 7)), ("3_3", 320, (7, 1)), ("3_4", 320, 3, 2)]
    return Block(1024, [three, seven], pooled=None)


def block_c() -> Block:
    three = [("3_0", 384), [("3_1", 256, (1, 3)), ("3_2", 256, (3, 1))]]
    twice = [("4_0", 384), ("4_00", 448, (1, 3)), ("4_000", 512, (3, 1))]
    return Block(1536, [[("2", 256)], three, [*twice, [("4_1", 256, (1, 3)), ("4_2", 256, (3, 1))]]], pooled=256)


class Stem(nn.Layer):
    """Convolutions and pools side by side, which divide the image by 8."""

    def __init__(self) -> None:
        super().__init__()
        conv = partial(UnderscoreConvNormAct, act="relu")
        self._conv_1 = conv(3, 32, 3, stride=2, padding=0)
        self._conv_2 = conv(32, 32, 3, padding=0)
        self._conv_3 = conv(32, 64, 3)
        self._pool = MaxPool(3, stride=2)
        self._conv2 = conv(64, 96, 3, stride=2, padding=0)
        self._conv1_1 = conv(160, 64, 1)
        self._conv1_2 = conv(64, 96, 3, padding=0)
        self._conv2_1 = conv(160, 64, 1)
        self._conv2_2 = conv(64, 64, (7, 1))
        self._conv2_3 = conv(64, 64, (1, 7))
        self._conv2_4 = conv(64, 96, 3, padding=0)
        self._conv3 = conv(192, 192, 3, stride=2, padding=0)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = self._conv_3(self._conv_2(self._conv_1(x)))
        x = paddle.concat([self._pool(x), self._conv2(x)], axis=1)
        three = self._conv1_2(self._conv1_1(x))
        seven = self._conv2_4(self._conv2_3(self._conv2_2(self._conv2_1(x))))
        x = paddle.concat([three, seven], axis=1)
        return paddle.concat([self._conv3(x), self._pool(x)], axis=1)


class InceptionV4(Chain):
    """Images of 299 x 299 pixels as trained; others from 75 on."""

    head_name = "out"
    num_features = 1536

    def __init__(self, *, class_num: int = 1000) -> None:
        super().__init__()
        self._inception_stem = Stem()
        for number in range(1, 5):
            self.add_sublayer(f"_inceptionA_{number}", block_a())
        self._reductionA = reduction_a()
        for number in range(1, 8):
            self.add_sublayer(f"_inceptionB_{number}", block_b())
        self._reductionB = reduction_b()
        for number in range(1, 4):
            self.add_sublayer(f"_inceptionC_{number}", block_c())
        self.avg_pool = GlobalAvgPool()
        self.flatten = nn.Flatten()
        self._drop = Dropout(0.2, scale_in_evaluation=True)
        self.out = Head(self.num_features, class_num)


VARIANTS = {"InceptionV4": partial(InceptionV4)}
