"""FasterNet: convolutions of a part of the channels.

Source: https://arxiv.org/abs/2303.03667, figure 4 and table 9. Names in the state dict and weights: PaddleClas
(Apache-2.0).
"""

from functools import partial

import paddle
from paddle import nn

from ppcls.models.chain import Chain
from ppcls.models.layers import (
    Act,
    Activation,
    BatchNorm,
    DropPath,
    Flatten,
    GlobalAvgPool,
    Head,
    drop_rates,
    truncated_normal,
)


class PartialConv(nn.Layer):
    """A 3x3 convolution of the first quarter of the channels; the others stay as they are."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.sizes = [channels // 4, channels - channels // 4]
        self.partial_conv3 = nn.Conv2D(self.sizes[0], self.sizes[0], 3, padding=1, bias_attr=False)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        first, others = x.split(self.sizes, axis=1)
        return paddle.concat([self.partial_conv3(first), others], axis=1)


class Block(nn.Layer):
    """A partial convolution, then two 1x1 convolutions, twice as wide between them.

    The shortcut is around the 1x1 convolutions and the partial one; stochastic depth drops the former alone.
    """

    def __init__(self, channels: int, act: Activation, drop_path: float) -> None:
        super().__init__()
        self.spatial_mixing = PartialConv(channels)
        self.mlp = nn.Sequential(
            nn.Conv2D(channels, 2 * channels, 1, bias_attr=False),
            BatchNorm(2 * channels),
            Act(act),
            nn.Conv2D(2 * channels, channels, 1, bias_attr=False),
        )
        self.drop_path = DropPath(drop_path)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return x + self.drop_path(self.mlp(self.spatial_mixing(x)))


class FasterNet(Chain):
    """`width`: channels of the first stage; each later one has twice as many as the one before."""

    head_name = "head"

    def __init__(
        self,
        width: int,
        depths: tuple[int, int, int, int],
        act: Activation,
        *,
        class_num: int = 1000,
        drop_path_rate: float = 0.0,
    ) -> None:
        super().__init__()
        self.patch_embed = nn.Sequential(
            ("proj", nn.Conv2D(3, width, 4, stride=4, bias_attr=False)),
            # As in PaddleClas: statistics move by nine tenths at each step.
            ("norm", BatchNorm(width, momentum=0.1)),
        )
        rates = iter(drop_rates(drop_path_rate, sum(depths)))
        stages: list[nn.Layer] = []
        for depth in depths:
            if stages:
                halve = nn.Conv2D(width, 2 * width, 2, stride=2, bias_attr=False)
                stages.append(nn.Sequential(("reduction", halve), ("norm", BatchNorm(2 * width))))
                width *= 2
            blocks = nn.Sequential(*(Block(width, act, next(rates)) for _ in range(depth)))
            stages.append(nn.Sequential(("blocks", blocks)))
        self.stages = nn.Sequential(*stages)
        self.num_features = 1280
        self.avgpool_pre_head = nn.Sequential(
            GlobalAvgPool(), nn.Conv2D(width, self.num_features, 1, bias_attr=False), Act(act)
        )
        self.flatten = Flatten()
        self.head = Head(self.num_features, class_num, std=0.02)
        truncated_normal(*(layer.weight for layer in self.sublayers() if isinstance(layer, nn.Conv2D)))


VARIANTS = {
    "FasterNet_T0": partial(FasterNet, 40, (1, 2, 8, 2), "gelu"),
    "FasterNet_T1": partial(FasterNet, 64, (1, 2, 8, 2), "gelu", drop_path_rate=0.02),
    "FasterNet_T2": partial(FasterNet, 96, (1, 2, 8, 2), "relu", drop_path_rate=0.05),
    "FasterNet_S": partial(FasterNet, 128, (1, 2, 13, 2), "relu", drop_path_rate=0.1),
    "FasterNet_M": partial(FasterNet, 144, (3, 4, 18, 3), "relu", drop_path_rate=0.2),
    "FasterNet_L": partial(FasterNet, 192, (3, 4, 18, 3), "relu", drop_path_rate=0.3),
}
