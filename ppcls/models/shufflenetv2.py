"""ShuffleNetV2: half of the channels convolved, then shuffled.

Source: https://arxiv.org/abs/1807.11164, figure 3 and table 5; the x0_25 and x0_33 forms and the one with swish are
PaddleClas's. Names in the state dict and weights: PaddleClas (Apache-2.0).
"""

from functools import partial

import paddle
from paddle import nn

from ppcls.models.chain import Chain
from ppcls.models.layers import (
    Activation,
    Flatten,
    GlobalAvgPool,
    Halves,
    Head,
    Interleave,
    MaxPool,
    UnderscoreConvNormAct,
)

DEPTHS = (4, 8, 4)


class Block(nn.Layer):
    """The first half of the channels stays as it is, the second is convolved."""

    def __init__(self, channels: int, act: Activation) -> None:
        super().__init__()
        half = channels // 2
        self.halves, self.interleave = Halves(), Interleave()
        self._conv_pw = UnderscoreConvNormAct(half, half, 1, act=act)
        self._conv_dw = UnderscoreConvNormAct(half, half, 3, groups=half)
        self._conv_linear = UnderscoreConvNormAct(half, half, 1, act=act)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        first, second = self.halves(x)
        second = self._conv_linear(self._conv_dw(self._conv_pw(second)))
        return self.interleave([first, second])


class HalvingBlock(nn.Layer):
    """Both branches take all channels and halve the image; each gives half of the channels that come out."""

    def __init__(self, in_channels: int, out_channels: int, act: Activation) -> None:
        super().__init__()
        half = out_channels // 2
        self.interleave = Interleave()
        self._conv_dw_1 = UnderscoreConvNormAct(in_channels, in_channels, 3, stride=2, groups=in_channels)
        self._conv_linear_1 = UnderscoreConvNormAct(in_channels, half, 1, act=act)
        self._conv_pw_2 = UnderscoreConvNormAct(in_channels, half, 1, act=act)
        self._conv_dw_2 = UnderscoreConvNormAct(half, half, 3, stride=2, groups=half)
        self._conv_linear_2 = UnderscoreConvNormAct(half, half, 1, act=act)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        first = self._conv_linear_1(self._conv_dw_1(x))
        second = self._conv_linear_2(self._conv_dw_2(self._conv_pw_2(x)))
        return self.interleave([first, second])


class ShuffleNetV2(Chain):
    """`widths`: channels of stages 2 to 4; `last`: those that the head takes."""

    head_name = "_fc"
    only_layers = True

    def __init__(
        self, widths: tuple[int, int, int], last: int, act: Activation = "relu", *, class_num: int = 1000
    ) -> None:
        super().__init__()
        channels = 24
        self._conv1 = UnderscoreConvNormAct(3, channels, 3, stride=2, act=act)
        self._max_pool = MaxPool(3, stride=2, padding=1)
        for number, (width, depth) in enumerate(zip(widths, DEPTHS), start=2):
            self.add_sublayer(f"{number}_1", HalvingBlock(channels, width, act))
            for index in range(2, depth + 1):
                self.add_sublayer(f"{number}_{index}", Block(width, act))
            channels = width
        self._last_conv = UnderscoreConvNormAct(channels, last, 1, act=act)
        self._pool2d_avg = GlobalAvgPool()
        self.flatten = Flatten()
        self.num_features = last
        self._fc = Head(last, class_num)


VARIANTS = {
    "ShuffleNetV2_x0_25": partial(ShuffleNetV2, (24, 48, 96), 512),
    "ShuffleNetV2_x0_33": partial(ShuffleNetV2, (32, 64, 128), 512),
    "ShuffleNetV2_x0_5": partial(ShuffleNetV2, (48, 96, 192), 1024),
    "ShuffleNetV2_x1_0": partial(ShuffleNetV2, (116, 232, 464), 1024),
    "ShuffleNetV2_x1_5": partial(ShuffleNetV2, (176, 352, 704), 1024),
    "ShuffleNetV2_x2_0": partial(ShuffleNetV2, (244, 488, 976), 2048),
    "ShuffleNetV2_swish": partial(ShuffleNetV2, (116, 232, 464), 1024, "swish"),
}
