"""MicroNet: convolutions factorised to very few connections, and activations that join channels of several groups.

Source: https://arxiv.org/abs/2108.05894, sections 3 to 5 and table 1. Names in the state dict and weights: PaddleClas
(Apache-2.0).
"""

from collections.abc import Sequence
from functools import partial, reduce

import paddle
from paddle import nn

from ppcls.models.chain import Chain
from ppcls.models.layers import (
    Act,
    BatchNorm,
    Dropout,
    Flatten,
    GlobalAvgPool,
    Head,
    Linear,
    Residual,
    channel_shuffle,
    draw_by_fan_out,
    draw_linears,
    make_divisible,
)

# Stride, channels that come out, kernel size, factors of the channels in the two halves of a factorised depthwise
# convolution, groups of the first 1x1 convolution and of the channels after it, the same for the last 1x1 convolution,
# and the factor of how much the activations squeeze. Without groups there is no such convolution.
Row = tuple[int, int, int, tuple[int, int], tuple[int, int], tuple[int, int], int]
# Whether the activations after the first 1x1, the depthwise and the last 1x1 convolution are dynamic.
Dynamic = tuple[bool, bool, bool]
# First values of the two factors of each sum that a dynamic activation takes the largest of.
Initial = tuple[tuple[float, float], ...]

LINEAR: Initial = ((1.0, 0.0),)
SQUEEZE = 8
LINEAR_STD = 0.01


class Shuffle(nn.Layer):
    """Interleave the channels of groups."""

    def __init__(self, num_groups: int) -> None:
        super().__init__()
        self.num_groups = num_groups

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return channel_shuffle(x, self.num_groups)


class ShiftMax(nn.Layer):
    """Dynamic shift-max: the largest of sums of each channel and the next group's next channel, times factors.

    A small network computes the factors, of each channel, from the averages of all channels.
    """

    def __init__(self, channels: int, num_groups: int, squeeze: int, initial: Initial) -> None:
        super().__init__()
        self.channels, self.num_groups = channels, num_groups
        self.initial = [value for pair in initial for value in pair]
        squeezed = make_divisible(channels // squeeze, 4)
        self.avg_pool = nn.Sequential(nn.Identity(), GlobalAvgPool())
        self.fc = nn.Sequential(
            Linear(channels, squeezed),
            Act("relu"),
            Linear(squeezed, len(self.initial) * channels),
            Act("hardsigmoid"),
        )

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        height, width = x.shape[2:]
        groups = x.reshape([0, self.num_groups, self.channels // self.num_groups, height, width])
        others = groups.roll([-1, -1], axis=[1, 2]).reshape([-1, self.channels, height, width])
        changes = 4 * self.fc(self.avg_pool(x).flatten(1)) - 2
        changes = changes.unsqueeze([2, 3]).split(len(self.initial), axis=1)
        factors = [change + first for change, first in zip(changes, self.initial)]
        return reduce(paddle.maximum, [x * own + others * other for own, other in zip(factors[::2], factors[1::2])])


def named_conv(*layers: nn.Layer) -> nn.Sequential:
    return nn.Sequential(("conv", nn.Sequential(*layers)))


def factorised(
    in_channels: int, inner: int, out_channels: int, kernel_size: int, *, stride: int, groups: int
) -> list[nn.Layer]:
    """Return a convolution of a column, in groups, and one of a row, depthwise, each with a norm."""
    conv, pad = partial(nn.Conv2D, bias_attr=False), kernel_size // 2
    return [
        conv(in_channels, inner, (kernel_size, 1), stride=(stride, 1), padding=(pad, 0), groups=groups),
        BatchNorm(inner),
        conv(inner, out_channels, (1, kernel_size), stride=(1, stride), padding=(0, pad), groups=inner),
        BatchNorm(out_channels),
    ]


def pointwise(in_channels: int, out_channels: int, groups: int) -> nn.Sequential:
    """Return a 1x1 convolution and a norm."""
    return named_conv(nn.Conv2D(in_channels, out_channels, 1, groups=groups, bias_attr=False), BatchNorm(out_channels))


def narrowing(
    in_channels: int, out_channels: int, groups: tuple[int, int], squeeze: int, dynamic: bool
) -> list[nn.Layer]:
    """Return the end of a block: a 1x1 convolution, a dynamic activation or none, and shuffles."""
    return [
        pointwise(in_channels, out_channels, groups[0]),
        ShiftMax(out_channels, groups[1], squeeze, LINEAR) if dynamic else nn.Identity(),
        Shuffle(groups[1]),
        Shuffle(out_channels // 2) if dynamic else nn.Identity(),
    ]


def block_layers(in_channels: int, row: Row, dynamic: Dynamic, initial: Initial) -> list[nn.Layer]:
    """Return the layers of a micro-block: A without a first 1x1 convolution, C without all after it, or else B."""
    stride, out_channels, kernel_size, (first, second), groups, last_groups, factor = row
    hidden, squeeze = in_channels * first * second, SQUEEZE * factor
    end = partial(narrowing, hidden, out_channels, last_groups, squeeze // 2, dynamic[2])
    if not groups[0]:
        inner = in_channels * first
        return [
            named_conv(*factorised(in_channels, inner, hidden, kernel_size, stride=stride, groups=in_channels)),
            ShiftMax(hidden, groups[1], squeeze, initial) if dynamic[1] else Act("relu6"),
            Shuffle(groups[1]),
            Shuffle(hidden // 2) if dynamic[1] else nn.Identity(),
            *end(),
        ]
    widening = pointwise(in_channels, hidden, groups[0])
    if not last_groups[0]:
        return [widening, ShiftMax(hidden, groups[1], squeeze, LINEAR) if dynamic[2] else nn.Identity()]
    return [
        widening,
        ShiftMax(hidden, groups[1], squeeze, initial) if dynamic[0] else Act("relu6"),
        Shuffle(groups[1]),
        named_conv(*factorised(hidden, hidden, hidden, kernel_size, stride=stride, groups=hidden)),
        nn.Identity(),
        ShiftMax(hidden, hidden // groups[1], squeeze, initial),
        Shuffle(hidden // 4 if dynamic[0] else hidden // 2),
        *end(),
    ]


def class_norm(class_num: int) -> nn.Layer:
    """Return the norm of the logits, which is a part of the classifier."""
    norm = BatchNorm(class_num)
    norm.class_axis = 0
    return norm


class MicroNet(Chain):
    """`stem`: channels of the stem's column, and factor of them in its row; `widened`: what the head takes.

    The activations of the first block are dynamic as in `first`, those of all others as in `dynamic`.
    """

    head_name = "classifier.2.linear.0"

    def __init__(
        self,
        rows: Sequence[Row],
        stem: tuple[int, int],
        widened: int,
        dropout: float,
        first: Dynamic = (True, False, True),
        dynamic: Dynamic = (True, True, True),
        initial: Initial = ((1.0, 0.0), (1.0, 0.0)),
        *,
        class_num: int = 1000,
    ) -> None:
        super().__init__()
        channels = stem[0] * stem[1]
        start = factorised(3, stem[0], channels, 3, stride=2, groups=1)
        layers: list[nn.Layer] = [
            nn.Sequential(("stem", nn.Sequential(named_conv(*start, Shuffle(stem[0])), Act("relu6"))))
        ]
        for index, row in enumerate(rows):
            block = block_layers(channels, row, dynamic if index else first, initial)
            stride, out_channels, *_ = row
            shortcut = stride == 1 and channels == out_channels
            layers.append(Residual({"layers": nn.Sequential(*block)}, shortcut=shortcut))
            channels = out_channels
        # A sublayer alone: as an attribute, the name is the method's.
        self.add_sublayer("features", nn.Sequential(*layers))
        self.avgpool = nn.Sequential(Act("relu6"), GlobalAvgPool(), Act("hardswish"))
        self.flatten = Flatten()
        self.num_features = widened
        widening, head = Linear(channels, widened), Head(widened, class_num, std=LINEAR_STD)
        self.classifier = nn.Sequential(
            nn.Sequential(("linear", nn.Sequential(widening, BatchNorm(widened), Act("hardswish")))),
            Dropout(dropout),
            nn.Sequential(("linear", nn.Sequential(head, class_norm(class_num), Act("hardswish")))),
        )
        draw_by_fan_out(self)
        draw_linears(self, std=LINEAR_STD)

    def forward(self, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        logits: paddle.Tensor = self.classifier[2](self.features(images_NCHW))
        return logits

    def reset_head(self, class_num: int) -> None:
        super().reset_head(class_num)
        self.classifier[2].linear[1] = class_norm(class_num)


M0: tuple[Row, ...] = (
    (2, 8, 3, (2, 2), (0, 4), (2, 2), 1),
    (2, 12, 3, (2, 2), (0, 8), (4, 4), 1),
    (2, 16, 5, (2, 2), (0, 12), (4, 4), 1),
    (1, 32, 5, (1, 4), (4, 4), (4, 4), 1),
    (2, 64, 5, (1, 4), (8, 8), (8, 8), 1),
    (1, 96, 3, (1, 4), (8, 8), (8, 8), 2),
    (1, 384, 3, (1, 4), (12, 12), (0, 0), 2),
)
M1: tuple[Row, ...] = (
    (2, 8, 3, (2, 2), (0, 6), (2, 2), 1),
    (2, 16, 3, (2, 2), (0, 8), (4, 4), 1),
    (2, 16, 5, (2, 2), (0, 16), (4, 4), 1),
    (1, 32, 5, (1, 6), (4, 4), (4, 4), 1),
    (2, 64, 5, (1, 6), (8, 8), (8, 8), 1),
    (1, 96, 3, (1, 6), (8, 8), (8, 8), 2),
    (1, 576, 3, (1, 6), (12, 12), (0, 0), 2),
)
M2: tuple[Row, ...] = (
    (2, 12, 3, (2, 2), (0, 8), (4, 4), 1),
    (2, 16, 3, (2, 2), (0, 12), (4, 4), 1),
    (1, 24, 3, (2, 2), (0, 16), (4, 4), 1),
    (2, 32, 5, (1, 6), (6, 6), (4, 4), 1),
    (1, 32, 5, (1, 6), (8, 8), (4, 4), 2),
    (1, 64, 5, (1, 6), (8, 8), (8, 8), 2),
    (2, 96, 5, (1, 6), (8, 8), (8, 8), 2),
    (1, 128, 3, (1, 6), (12, 12), (8, 8), 2),
    (1, 768, 3, (1, 6), (16, 16), (0, 0), 2),
)
M3: tuple[Row, ...] = (
    (2, 16, 3, (2, 2), (0, 12), (4, 4), 1),
    (2, 24, 3, (2, 2), (0, 16), (4, 4), 1),
    (1, 24, 3, (2, 2), (0, 24), (4, 4), 1),
    (2, 32, 5, (1, 6), (6, 6), (4, 4), 1),
    (1, 32, 5, (1, 6), (8, 8), (4, 4), 2),
    (1, 64, 5, (1, 6), (8, 8), (8, 8), 2),
    (1, 80, 5, (1, 6), (8, 8), (8, 8), 2),
    (1, 80, 5, (1, 6), (10, 10), (8, 8), 2),
    (2, 120, 5, (1, 6), (10, 10), (10, 10), 2),
    (1, 120, 5, (1, 6), (12, 12), (10, 10), 2),
    (1, 144, 3, (1, 6), (12, 12), (12, 12), 2),
    (1, 864, 3, (1, 6), (12, 12), (0, 0), 2),
)
MIDDLE: Dynamic = (False, True, False)

VARIANTS = {
    "MicroNet_M0": partial(MicroNet, M0, (2, 2), 640, 0.05),
    "MicroNet_M1": partial(MicroNet, M1, (3, 2), 960, 0.05),
    "MicroNet_M2": partial(MicroNet, M2, (4, 2), 1024, 0.1),
    "MicroNet_M3": partial(MicroNet, M3, (4, 3), 1024, 0.1, MIDDLE, MIDDLE, ((1.0, 0.0), (0.5, 0.5))),
}
