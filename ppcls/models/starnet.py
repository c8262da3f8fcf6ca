"""StarNet: products of two linear branches.

Source: https://arxiv.org/abs/2403.19967, figure 3 and table 6. Names in the state dict and weights: PaddleClas
(Apache-2.0).
"""

from functools import partial

import paddle
from paddle import nn

from ppcls.models.chain import Chain
from ppcls.models.layers import Act, BatchNorm, Dropout, DropPath, Flatten, GlobalAvgPool, Head, activate, drop_rates


def _conv(
    in_channels: int, out_channels: int, kernel_size: int = 1, *, stride: int = 1, groups: int = 1, norm: bool = True
) -> nn.Sequential:
    """Return a convolution with a bias, and a batch norm behind it where asked for."""
    conv = nn.Conv2D(in_channels, out_channels, kernel_size, stride=stride, padding=kernel_size // 2, groups=groups)
    return nn.Sequential(("conv", conv), *([("bn", BatchNorm(out_channels))] if norm else []))


class Block(nn.Layer):
    """Two 1x1 convolutions of the same input, four times as wide, multiplied; depthwise 7x7 ones around them."""

    def __init__(self, channels: int, drop_path: float) -> None:
        super().__init__()
        self.dwconv = _conv(channels, channels, 7, groups=channels)
        self.f1 = _conv(channels, 4 * channels, norm=False)
        self.f2 = _conv(channels, 4 * channels, norm=False)
        self.g = _conv(4 * channels, channels)
        self.dwconv2 = _conv(channels, channels, 7, groups=channels, norm=False)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        y = self.dwconv(x)
        y = activate("relu6", self.f1(y)) * self.f2(y)
        return x + self.drop_path(self.dwconv2(self.g(y)))


class StarNet(Chain):
    """`width`: channels of the first stage; each later one has twice as many as the one before.

    `drop_rate`: of the dropout before the head, which PaddleClas's YAMLs state and its StarNet has not.
    """

    head_name = "head"

    def __init__(
        self,
        width: int,
        depths: tuple[int, int, int, int],
        *,
        class_num: int = 1000,
        drop_path_rate: float = 0.0,
        drop_rate: float = 0.0,
    ) -> None:
        super().__init__()
        channels = 32
        self.stem = nn.Sequential(_conv(3, channels, 3, stride=2), Act("relu6"))
        rates = iter(drop_rates(drop_path_rate, sum(depths)))
        stages = []
        for index, depth in enumerate(depths):
            out_channels = width * 2**index
            halve = _conv(channels, out_channels, 3, stride=2)
            stages.append(nn.Sequential(halve, *(Block(out_channels, next(rates)) for _ in range(depth))))
            channels = out_channels
        self.stages = nn.Sequential(*stages)
        self.norm = BatchNorm(channels)
        self.avgpool = GlobalAvgPool()
        self.flatten = Flatten()
        self.dropout = Dropout(drop_rate)
        self.num_features = channels
        self.head = Head(channels, class_num)


VARIANTS = {
    "StarNet_S1": partial(StarNet, 24, (2, 2, 8, 3)),
    "StarNet_S2": partial(StarNet, 32, (1, 2, 6, 2)),
    "StarNet_S3": partial(StarNet, 32, (2, 2, 8, 4)),
    "StarNet_S4": partial(StarNet, 32, (3, 3, 12, 5)),
}
