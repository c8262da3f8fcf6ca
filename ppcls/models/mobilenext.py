"""MobileNeXt: sandglass blocks, whose shortcuts are between the wide ends.

Source: https://arxiv.org/abs/2007.02269, figure 3c and table 2. Names in the state dict and weights: PaddleClas
(Apache-2.0).
"""

from functools import partial

from paddle import nn

from ppcls.models.chain import Chain
from ppcls.models.layers import (
    Act,
    BatchNorm,
    Dropout,
    Flatten,
    GlobalAvgPool,
    Head,
    Residual,
    draw_by_fan_out,
    make_divisible,
)

# How much narrower the inside of a block is, channels that come out, number of blocks, stride of the first one.
STAGES = (
    (2, 96, 1, 2),
    (6, 144, 1, 1),
    (6, 192, 3, 2),
    (6, 288, 3, 2),
    (6, 384, 4, 1),
    (6, 576, 4, 2),
    (6, 960, 3, 1),
    (6, 1280, 1, 1),
)


def _block(in_channels: int, out_channels: int, reduction: int, stride: int, *, both_depthwise: bool) -> Residual:
    """Return 1x1 convolutions to fewer channels and back, with depthwise ones around them, or only a halving one."""
    hidden = in_channels // reduction
    if hidden < out_channels / 6:
        hidden = make_divisible(-(-out_channels // 6), 16)
    layers: list[nn.Layer] = []

    def add_conv(before: int, after: int, kernel_size: int = 1, *, stride: int = 1) -> None:
        groups = before if kernel_size > 1 else 1
        conv = nn.Conv2D(
            before, after, kernel_size, stride=stride, padding=kernel_size // 2, groups=groups, bias_attr=False
        )
        layers.extend((conv, BatchNorm(after)))

    if both_depthwise:
        add_conv(in_channels, in_channels, 3)
        layers.append(Act("relu6"))
    add_conv(in_channels, hidden)
    add_conv(hidden, out_channels)
    layers.append(Act("relu6"))
    if both_depthwise or stride > 1:
        add_conv(out_channels, out_channels, 3, stride=stride)
    return Residual({"conv": nn.Sequential(*layers)}, shortcut=in_channels == out_channels)


class MobileNeXt(Chain):
    """`scale` multiplies all channels; those that the head takes only if it is above 1."""

    head_name = "classifier.1"

    def __init__(self, scale: float, *, class_num: int = 1000) -> None:
        super().__init__()
        channels = make_divisible(32 * scale)
        stem = nn.Conv2D(3, channels, 3, stride=2, padding=1, bias_attr=False)
        layers: list[nn.Layer] = [nn.Sequential(stem, BatchNorm(channels), Act("relu6"))]
        for reduction, width, depth, stride in STAGES:
            out_channels = make_divisible(width * (max(scale, 1.0) if width == 1280 else scale))
            # The stages of one block with stride 1, and the first one, keep both depthwise convolutions.
            kept = reduction == 2 or (depth == 1 and stride == 1)
            layers.append(_block(channels, out_channels, reduction, stride, both_depthwise=kept))
            for _ in range(depth - 1):
                layers.append(_block(out_channels, out_channels, reduction, 1, both_depthwise=True))
            channels = out_channels
        # A sublayer alone: as an attribute, the name is the method's.
        self.add_sublayer("features", nn.Sequential(*layers))
        self.avgpool = GlobalAvgPool()
        self.flatten = Flatten()
        self.num_features = channels
        self.classifier = nn.Sequential(Dropout(0.2), Head(channels, class_num, std=0.01))
        draw_by_fan_out(self)


VARIANTS = {
    "MobileNeXt_x0_35": partial(MobileNeXt, 0.35),
    "MobileNeXt_x0_5": partial(MobileNeXt, 0.5),
    "MobileNeXt_x0_75": partial(MobileNeXt, 0.75),
    "MobileNeXt_x1_0": partial(MobileNeXt, 1.0),
    "MobileNeXt_x1_4": partial(MobileNeXt, 1.4),
}
