"""ESNet: ShuffleNetV2 with squeeze-and-excitation and ghost channels, the backbone of PP-PicoDet.

Source: https://arxiv.org/abs/2111.00902, figure 3. Names in the state dict and weights: PaddleClas (Apache-2.0).
"""

from functools import partial

import paddle
from paddle import nn

from ppcls.models.chain import Chain
from ppcls.models.layers import Concat, ConvNormAct, Halves, Interleave, MaxPool, SqueezeExcite, make_divisible
from ppcls.models.model import UNDECAYED_NORM

# Channels at the end and number of blocks of each stage.
STAGES = ((116, 3), (232, 7), (464, 3))

pointwise = partial(ConvNormAct, kernel_size=1, act="hardswish")


def _depthwise(channels: int, *, stride: int = 1) -> ConvNormAct:
    return ConvNormAct(channels, channels, 3, stride=stride, groups=channels)


class Block(nn.Layer):
    """The first half of the channels stays as it is; the second is convolved, doubled by a depthwise copy, gated."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.halves, self.concat, self.interleave = Halves(), Concat(), Interleave()
        self.pw_1_1 = pointwise(half, half)
        self.dw_1 = _depthwise(half)
        self.se = SqueezeExcite(channels, channels // 4)
        self.pw_1_2 = pointwise(channels, half)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        first, second = self.halves(x)
        second = self.pw_1_1(second)
        second = self.pw_1_2(self.se(self.concat([second, self.dw_1(second)])))
        return self.interleave([first, second])


class HalvingBlock(nn.Layer):
    """Two branches, both of which halve the image, and a depthwise separable convolution of their results."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        half = out_channels // 2
        self.concat = Concat()
        self.dw_1 = _depthwise(in_channels, stride=2)
        self.pw_1 = pointwise(in_channels, half)
        self.pw_2_1 = pointwise(in_channels, half)
        self.dw_2 = _depthwise(half, stride=2)
        self.se = SqueezeExcite(half, half // 4)
        self.pw_2_2 = pointwise(half, half)
        self.concat_dw = ConvNormAct(out_channels, out_channels, 3, groups=out_channels, act="hardswish")
        self.concat_pw = pointwise(out_channels, out_channels)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        first = self.pw_1(self.dw_1(x))
        second = self.pw_2_2(self.se(self.dw_2(self.pw_2_1(x))))
        return self.concat_pw(self.concat_dw(self.concat([first, second])))


class ESNet(Chain):
    """`scale` multiplies the channels of the three stages."""

    only_layers = True
    param_groups = (UNDECAYED_NORM,)

    def __init__(
        self, scale: float, *, class_num: int = 1000, class_expand: int = 1280, dropout_prob: float = 0.2
    ) -> None:
        super().__init__()
        channels = 24
        self.conv1 = ConvNormAct(3, channels, 3, stride=2, act="hardswish")
        self.max_pool = MaxPool(3, stride=2, padding=1)
        blocks: list[nn.Layer] = []
        for width, depth in STAGES:
            out_channels = make_divisible(width * scale)
            blocks += [HalvingBlock(channels, out_channels), *(Block(out_channels) for _ in range(depth - 1))]
            channels = out_channels
        self.blocks = nn.Sequential(*blocks)
        self.conv2 = pointwise(channels, 1024)
        self.add_widened_head(1024, class_num, class_expand=class_expand, dropout_prob=dropout_prob, act="hardswish")


VARIANTS = {
    "ESNet_x0_25": partial(ESNet, 0.25),
    "ESNet_x0_5": partial(ESNet, 0.5),
    "ESNet_x0_75": partial(ESNet, 0.75),
    "ESNet_x1_0": partial(ESNet, 1.0),
}
