"""DPN: a path of residuals and a path of concatenations, side by side.

Source: https://arxiv.org/abs/1707.01629, figure 2d and table 1. Names in the state dict and weights: PaddleClas
(Apache-2.0).
"""

from functools import partial

import paddle
from paddle import nn

from ppcls.models.layers import (
    BatchNorm,
    Flatten,
    GlobalAvgPool,
    Head,
    MaxPool,
    NormActConv,
    UnderscoreConvNormAct,
    activate,
)
from ppcls.models.model import Model


class Block(nn.Layer):
    """Add to `residual` channels, and put `growth` new ones beside the others.

    With a projection, which may be strided, all channels that come in go to both paths.
    """

    def __init__(
        self, in_channels: int, inner: int, residual: int, *, growth: int, groups: int, stride: int, projects: bool
    ) -> None:
        super().__init__()
        self.residual = residual
        self.c1x1_w_func = nn.Identity()
        if projects:
            self.c1x1_w_func = NormActConv(in_channels, residual + 2 * growth, 1, stride=stride)
        self.c1x1_a_func = NormActConv(in_channels, inner, 1)
        self.c3x3_b_func = NormActConv(inner, inner, 3, stride=stride, groups=groups)
        self.c1x1_c_func = NormActConv(inner, residual + growth, 1)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        old = self.c1x1_w_func(x)
        new = self.c1x1_c_func(self.c3x3_b_func(self.c1x1_a_func(x)))
        total = old[:, : self.residual] + new[:, : self.residual]
        return paddle.concat([total, old[:, self.residual :], new[:, self.residual :]], axis=1)


class DPN(Model):
    """`inner`: channels of the 3x3 convolutions of the first stage, in `groups` groups; each later stage doubles them.

    `residual` channels of the first stage double, too. `growths`: channels that each block of a stage adds.
    """

    head_name = "out"

    def __init__(
        self,
        depths: tuple[int, int, int, int],
        growths: tuple[int, int, int, int],
        stem: int,
        residual: int,
        inner: int,
        groups: int,
        *,
        class_num: int = 1000,
    ) -> None:
        super().__init__()
        self.conv1_x_1_func = UnderscoreConvNormAct(3, stem, 3 if stem < 64 else 7, stride=2, act="relu")
        self.pool2d_max = MaxPool(3, stride=2, padding=1)
        channels = stem
        self.block_names: list[str] = []
        for stage, (depth, growth) in enumerate(zip(depths, growths)):
            for index in range(depth):
                block = Block(
                    channels,
                    inner << stage,
                    residual << stage,
                    growth=growth,
                    groups=groups,
                    stride=2 if stage > 0 and index == 0 else 1,
                    projects=index == 0,
                )
                channels = channels + growth if index else (residual << stage) + 3 * growth
                self.block_names.append(f"dpn{len(self.block_names) + 1}")
                self.add_sublayer(self.block_names[-1], block)
        self.conv5_x_x_bn = BatchNorm(channels)
        self.pool2d_avg = GlobalAvgPool()
        self.flatten = Flatten()
        self.num_features = channels
        self.out = Head(channels, class_num)

    def features(self, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        x = self.pool2d_max(self.conv1_x_1_func(images_NCHW))
        for name in self.block_names:
            x = getattr(self, name)(x)
        return self.flatten(self.pool2d_avg(activate("relu", self.conv5_x_x_bn(x))))


VARIANTS = {
    "DPN68": partial(DPN, (3, 4, 12, 3), (16, 32, 32, 64), 10, 64, 128, 32),
    "DPN92": partial(DPN, (3, 4, 20, 3), (16, 32, 24, 128), 64, 256, 96, 32),
    "DPN98": partial(DPN, (3, 6, 20, 3), (16, 32, 32, 128), 96, 256, 160, 40),
    "DPN107": partial(DPN, (4, 8, 20, 3), (20, 64, 64, 128), 128, 256, 200, 50),
    "DPN131": partial(DPN, (4, 8, 28, 3), (16, 32, 32, 128), 128, 256, 160, 40),
}
