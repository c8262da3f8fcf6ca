"""Xception as DeepLab has it: strided convolutions instead of pools, and depthwise before 1x1 convolutions.

Source: https://arxiv.org/abs/1802.02611, figure 4. Names in the state dict and weights: PaddleClas (Apache-2.0).
"""

from collections.abc import Sequence
from functools import partial
from typing import Optional

from paddle import nn

from ppcls.models.chain import Chain
from ppcls.models.layers import (
    Act,
    Activation,
    Dropout,
    GlobalAvgPool,
    Head,
    UnderscoreConvBN,
    batch_norm,
)
from ppcls.models.xception import Block

norm = partial(batch_norm, epsilon=1e-3, momentum=0.99)
conv_norm = partial(UnderscoreConvBN, epsilon=1e-3, momentum=0.99)


def separable(
    in_channels: int, out_channels: int, *, stride: int = 1, dilation: int = 1, act: Optional[Activation] = None
) -> nn.Sequential:
    """Return a depthwise and a 1x1 convolution."""
    depthwise = nn.Conv2D(
        in_channels,
        in_channels,
        3,
        stride=stride,
        padding=dilation,
        dilation=dilation,
        groups=in_channels,
        bias_attr=False,
    )
    return nn.Sequential(
        ("_conv1", depthwise),
        ("_bn1", norm(in_channels)),
        ("_act1", Act(act)),
        ("_conv2", nn.Conv2D(in_channels, out_channels, 1, bias_attr=False)),
        ("_bn2", norm(out_channels)),
        ("_act2", Act(act)),
    )


def block(channels: Sequence[int], *, stride: int = 1) -> Block:
    """Return separable convolutions from each number of channels to the next; the last one is strided."""
    path = {
        f"_conv{number}": separable(channels[number - 1], channels[number], stride=stride if number == 3 else 1)
        for number in (1, 2, 3)
    }
    projects = channels[0] != channels[3]
    return Block(path, shortcut=conv_norm(channels[0], channels[3], 1, stride=stride) if projects else None)


class XceptionDeepLab(Chain):
    """`depth`: of the middle flow; `name`: what the names of the blocks start with."""

    head_name = "_fc"
    num_features = 2048

    def __init__(self, name: str, depth: int, *, class_num: int = 1000) -> None:
        super().__init__()
        self._conv1 = conv_norm(3, 32, 3, stride=2, act="relu")
        self._conv2 = conv_norm(32, 64, 3, act="relu")
        channels = 64
        for number, width in enumerate((128, 256, 728), start=1):
            self.add_sublayer(f"{name}/entry_flow/block{number}", block((channels, width, width, width), stride=2))
            channels = width
        for number in range(1, depth + 1):
            self.add_sublayer(f"{name}/middle_flow/block{number}", block(4 * (channels,)))
        self._exit_flow_1 = block((channels, channels, 1024, 1024), stride=2)
        last = partial(separable, dilation=2, act="relu")
        self._exit_flow_2 = nn.Sequential(
            ("_conv1", last(1024, 1536)), ("_conv2", last(1536, 1536)), ("_conv3", last(1536, self.num_features))
        )
        self._drop = Dropout(0.5, scale_in_evaluation=True)
        self._pool = GlobalAvgPool()
        self.flatten = nn.Flatten()
        self._fc = Head(self.num_features, class_num)


VARIANTS = {
    "Xception41_deeplab": partial(XceptionDeepLab, "xception_41", 8),
    "Xception65_deeplab": partial(XceptionDeepLab, "xception_65", 16),
}
