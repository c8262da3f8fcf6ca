"""ResNeXt-101 of weakly supervised pre-training.

Source: https://arxiv.org/abs/1805.00932; weights of Facebook (CC BY-NC 4.0), as converted by PaddleClas. The names in
the state dict are PaddleClas's.
"""

from functools import partial

import paddle
from paddle import nn

from ppcls.models.layers import ConvNormAct, Flatten, GlobalAvgPool, Head, MaxPool, activate
from ppcls.models.model import Model

GROUPS = 32
DEPTHS = (3, 4, 23, 3)


class ConvBN(ConvNormAct):
    conv_name = "_conv"
    norm_name = "_bn"


class Bottleneck(nn.Layer):
    """1x1, grouped 3x3 and 1x1 convolutions around a shortcut."""

    def __init__(self, in_channels: int, width: int, out_channels: int, *, stride: int) -> None:
        super().__init__()
        self._conv0 = ConvBN(in_channels, width, 1, act="relu")
        self._conv1 = ConvBN(width, width, 3, stride=stride, groups=GROUPS, act="relu")
        self._conv2 = ConvBN(width, out_channels, 1)
        self._short = nn.Sequential()
        if in_channels != out_channels or stride != 1:
            self._short.add_sublayer("_conv", ConvBN(in_channels, out_channels, 1, stride=stride))

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return activate("relu", self._conv2(self._conv1(self._conv0(x))) + self._short(x))


class ResNeXt101WSL(Model):
    """`group_width`: channels of each of the 32 groups in the first stage."""

    head_name = "_out"

    def __init__(self, group_width: int, *, class_num: int = 1000) -> None:
        super().__init__()
        self._conv_stem = ConvBN(3, 64, 7, stride=2, act="relu")
        self._pool = MaxPool(3, stride=2, padding=1)
        in_channels, self.block_names = 64, []
        for stage, depth in enumerate(DEPTHS):
            for index in range(depth):
                stride = 2 if stage > 0 and index == 0 else 1
                block = Bottleneck(in_channels, GROUPS * group_width << stage, 256 << stage, stride=stride)
                self.block_names.append(f"_conv{stage + 1}_{index}")
                self.add_sublayer(self.block_names[-1], block)
                in_channels = 256 << stage
        self._avg_pool = GlobalAvgPool()
        self.flatten = Flatten()
        self.num_features = in_channels
        self._out = Head(in_channels, class_num)

    def features(self, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        x = self._pool(self._conv_stem(images_NCHW))
        for name in self.block_names:
            x = getattr(self, name)(x)
        return self.flatten(self._avg_pool(x))


VARIANTS = {
    "ResNeXt101_32x8d_wsl": partial(ResNeXt101WSL, 8),
    "ResNeXt101_32x16d_wsl": partial(ResNeXt101WSL, 16),
    "ResNeXt101_32x32d_wsl": partial(ResNeXt101WSL, 32),
    "ResNeXt101_32x48d_wsl": partial(ResNeXt101WSL, 48),
}
