"""ResNeSt: bottlenecks whose 3x3 convolution gives several versions of each channel, and attention that weighs them.

Source: https://arxiv.org/abs/2004.08955, figure 2 and section 3; stem and shortcuts are those of ResNet-vd. Names in
the state dict and weights: PaddleClas (Apache-2.0).
"""

from functools import partial

import paddle
import paddle.nn.functional as F
from paddle import nn

from ppcls.config.groups import Group
from ppcls.models.chain import Chain
from ppcls.models.layers import (
    AvgPool,
    BatchNorm,
    Flatten,
    GlobalAvgPool,
    Head,
    MaxPool,
    UnderscoreConvNormAct,
    activate,
)


class SplitAttention(nn.Layer):
    """A 3x3 convolution to `radix` versions of each channel, which are added by shares; a single one has a gate."""

    def __init__(self, channels: int, radix: int) -> None:
        super().__init__()
        self.radix = radix
        inner = max(channels * radix // 4, 32)
        self.conv1 = UnderscoreConvNormAct(channels, channels * radix, 3, groups=radix, act="relu")
        self.avg_pool2d = GlobalAvgPool()
        self.conv2 = UnderscoreConvNormAct(channels, inner, 1, act="relu")
        self.conv3 = nn.Conv2D(inner, channels * radix, 1)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        versions = paddle.stack(self.conv1(x).split(self.radix, axis=1), axis=1)
        scores = self.conv3(self.conv2(self.avg_pool2d(versions.sum(1))))
        scores = paddle.stack(scores.split(self.radix, axis=1), axis=1)
        shares = F.softmax(scores, axis=1) if self.radix > 1 else F.sigmoid(scores)
        return (versions * shares).sum(1)


class Block(nn.Layer):
    """1x1, split attention and 1x1, around a shortcut; a strided one averages, before the attention or after it."""

    def __init__(
        self, in_channels: int, channels: int, *, stride: int, radix: int, pools_first: bool, projects: bool
    ) -> None:
        super().__init__()
        pool = AvgPool(3, stride=stride, padding=1) if stride > 1 else nn.Identity()
        self.conv1 = UnderscoreConvNormAct(in_channels, channels, 1, act="relu")
        self.avg_pool2d_1 = pool if pools_first else nn.Identity()
        self.conv2 = SplitAttention(channels, radix)
        self.avg_pool2d_2 = nn.Identity() if pools_first else pool
        self.conv3 = UnderscoreConvNormAct(channels, 4 * channels, 1)
        self.avg_pool2d_3, self.conv4, self._batch_norm = nn.Identity(), nn.Identity(), nn.Identity()
        if projects:
            self.avg_pool2d_3 = AvgPool(stride, stride=stride)
            self.conv4 = nn.Conv2D(in_channels, 4 * channels, 1, bias_attr=False)
            self._batch_norm = BatchNorm(4 * channels)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        shortcut = self._batch_norm(self.conv4(self.avg_pool2d_3(x)))
        x = self.avg_pool2d_2(self.conv2(self.avg_pool2d_1(self.conv1(x))))
        return activate("relu", self.conv3(x) + shortcut)


class ResNeSt(Chain):
    """`radix`: versions of each channel; `stem_width`: channels of the stem's first convolutions."""

    head_name = "out"
    param_groups = (Group(r"\b_batch_norm\.", weight_decay=0.0),)

    def __init__(
        self,
        depths: tuple[int, int, int, int],
        stem_width: int,
        radix: int = 2,
        pools_first: bool = False,
        *,
        class_num: int = 1000,
    ) -> None:
        super().__init__()
        conv = partial(UnderscoreConvNormAct, act="relu")
        self.stem = nn.Sequential(
            ("conv1", conv(3, stem_width, 3, stride=2)),
            ("conv2", conv(stem_width, stem_width, 3)),
            ("conv3", conv(stem_width, 2 * stem_width, 3)),
        )
        self.max_pool2d = MaxPool(3, stride=2, padding=1)
        in_channels = 2 * stem_width
        for stage, depth in enumerate(depths):
            blocks = nn.Sequential()
            for index in range(depth):
                first = index == 0
                block = Block(
                    in_channels,
                    64 << stage,
                    stride=2 if stage > 0 and first else 1,
                    radix=radix,
                    pools_first=pools_first,
                    projects=first,
                )
                blocks.add_sublayer(f"layer{stage + 1}_bottleneck_{index}", block)
                in_channels = 256 << stage
            self.add_sublayer(f"layer{stage + 1}", blocks)
        self.pool2d_avg = GlobalAvgPool()
        self.flatten = Flatten()
        self.num_features = in_channels
        self.out = Head(in_channels, class_num)


VARIANTS = {
    "ResNeSt50_fast_1s1x64d": partial(ResNeSt, (3, 4, 6, 3), 32, 1, True),
    "ResNeSt50": partial(ResNeSt, (3, 4, 6, 3), 32),
    "ResNeSt101": partial(ResNeSt, (3, 4, 23, 3), 64),
    "ResNeSt200": partial(ResNeSt, (3, 24, 36, 3), 64),
    "ResNeSt269": partial(ResNeSt, (3, 30, 48, 8), 64),
}
