"""MixNet: depthwise convolutions of several kernel sizes at once.

Source: https://arxiv.org/abs/1907.09595, figure 2 and appendix A. Names in the state dict and weights: PaddleClas
(Apache-2.0).
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple, Optional

import paddle
from paddle import nn

from ppcls.models.chain import Chain
from ppcls.models.layers import (
    Act,
    Activation,
    BatchNorm,
    ConvNormAct,
    Flatten,
    GlobalAvgPool,
    Head,
    Residual,
    SqueezeExcite,
    make_divisible,
)


class Row(NamedTuple):
    """A block: channels that come out, how much wider it is inside, and in how many groups each convolution mixes.

    `reduction` of the gate's inside, against the block's input; 0: there is no gate.
    """

    channels: int
    expansion: int
    widening: int
    depthwise: int
    narrowing: int
    reduction: int


Stages = tuple[tuple[Row, ...], ...]

SMALL: Stages = (
    (Row(24, 6, 2, 1, 2, 0), Row(24, 3, 2, 1, 2, 0)),
    (Row(40, 6, 1, 3, 1, 2), *3 * (Row(40, 6, 2, 2, 2, 2),)),
    (Row(80, 6, 1, 3, 2, 4), *2 * (Row(80, 6, 1, 2, 2, 4),)),
    (
        Row(120, 6, 2, 3, 2, 2),
        *2 * (Row(120, 3, 2, 4, 2, 2),),
        Row(200, 6, 1, 5, 1, 2),
        *2 * (Row(200, 6, 1, 4, 2, 2),),
    ),
)
MEDIUM: Stages = (
    (Row(32, 6, 2, 3, 2, 0), Row(32, 3, 2, 1, 2, 0)),
    (Row(40, 6, 1, 4, 1, 2), *3 * (Row(40, 6, 2, 2, 2, 2),)),
    (Row(80, 6, 1, 3, 1, 4), *3 * (Row(80, 6, 2, 4, 2, 4),)),
    (
        Row(120, 6, 1, 1, 1, 2),
        *3 * (Row(120, 3, 2, 4, 2, 2),),
        Row(200, 6, 1, 4, 1, 2),
        *3 * (Row(200, 6, 1, 4, 2, 2),),
    ),
)


def _split(channels: int, num_groups: int) -> list[int]:
    """Return the sizes of groups of channels; the first one takes what is left over."""
    size = channels // num_groups
    return [channels - size * (num_groups - 1), *[size] * (num_groups - 1)]


class MixConv(nn.Layer):
    """Groups of channels, each convolved by a kernel of its own size."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_sizes: Sequence[int], *, stride: int, depthwise: bool
    ) -> None:
        super().__init__()
        self.sizes = _split(in_channels, len(kernel_sizes))
        out_sizes = _split(out_channels, len(kernel_sizes))
        for index, (before, after, kernel_size) in enumerate(zip(self.sizes, out_sizes, kernel_sizes)):
            conv = nn.Conv2D(
                before,
                after,
                kernel_size,
                stride=stride,
                padding=kernel_size // 2,
                groups=after if depthwise else 1,
                bias_attr=False,
            )
            self.add_sublayer(str(index), conv)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        groups = x.split(self.sizes, axis=1)
        return paddle.concat([conv(group) for conv, group in zip(self.children(), groups)], axis=1)


def _conv(
    in_channels: int,
    out_channels: int,
    kernel_sizes: Sequence[int],
    *,
    stride: int = 1,
    depthwise: bool = False,
    act: Optional[Activation] = None,
) -> nn.Layer:
    """Return a convolution, mixed if there are several kernel sizes, with batch norm and activation."""
    if len(kernel_sizes) == 1:
        groups = out_channels if depthwise else 1
        return ConvNormAct(in_channels, out_channels, kernel_sizes[0], stride=stride, groups=groups, act=act)
    mixed = MixConv(in_channels, out_channels, kernel_sizes, stride=stride, depthwise=depthwise)
    return nn.Sequential(("conv", mixed), ("bn", BatchNorm(out_channels)), ("activ", Act(act)))


def _block(in_channels: int, row: Row, *, stride: int, act: Activation) -> Residual:
    hidden = in_channels * row.expansion
    kernel_sizes = range(3, 3 + 2 * row.depthwise, 2)
    gate = SqueezeExcite(hidden, in_channels // row.reduction, act=act, gate="sigmoid") if row.reduction else None
    path = {
        "exp_conv": _conv(in_channels, hidden, [1] * row.widening, act=act) if row.expansion > 1 else None,
        "conv1": _conv(hidden, hidden, kernel_sizes, stride=stride, depthwise=True, act=act),
        "se": gate,
        "conv2": _conv(hidden, row.channels, [1] * row.narrowing),
    }
    return Residual(path, shortcut=stride == 1 and in_channels == row.channels)


class MixNet(Chain):
    """`scale` multiplies the channels of the stem and the stages."""

    head_name = "output"

    def __init__(self, stem_channels: int, stages: Stages, scale: float = 1.0, *, class_num: int = 1000) -> None:
        super().__init__()
        channels = make_divisible(stem_channels * scale)
        stem = (
            ("conv1", ConvNormAct(3, channels, 3, stride=2, act="relu")),
            ("conv2", _block(channels, Row(channels, 1, 1, 1, 1, 0), stride=1, act="relu")),
        )
        layers: list[tuple[str, nn.Layer]] = [("init_block", nn.Sequential(*stem))]
        for number, rows in enumerate(stages, start=1):
            # The last stage halves the image in its middle, all others at their start.
            halving = len(rows) // 2 if number == len(stages) else 0
            act: Activation = "relu" if number == 1 else "swish"
            blocks = []
            for index, row in enumerate(rows):
                scaled = row._replace(channels=make_divisible(row.channels * scale))
                block = _block(channels, scaled, stride=2 if index == halving else 1, act=act)
                blocks.append((f"unit{index + 1}", block))
                channels = scaled.channels
            layers.append((f"stage{number}", nn.Sequential(*blocks)))
        self.num_features = 1536
        layers.append(("final_block", ConvNormAct(channels, self.num_features, 1, act="relu")))
        # A sublayer alone: as an attribute, the name is the method's.
        self.add_sublayer("features", nn.Sequential(*layers, ("final_pool", GlobalAvgPool())))
        self.flatten = Flatten()
        self.output = Head(self.num_features, class_num)


VARIANTS = {
    "MixNet_S": partial(MixNet, 16, SMALL),
    "MixNet_M": partial(MixNet, 24, MEDIUM),
    "MixNet_L": partial(MixNet, 24, MEDIUM, 1.3),
}
