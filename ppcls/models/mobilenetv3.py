"""MobileNetV3, small and large.

Source: https://arxiv.org/abs/1905.02244, tables 1 and 2. Names in the state dict and weights: PaddleClas (Apache-2.0).
"""

from functools import partial
from typing import NamedTuple, Optional

from paddle import nn

from ppcls.models.chain import Chain
from ppcls.models.layers import Activation, ConvNormAct, InvertedResidual, SqueezeExcite, make_divisible
from ppcls.models.model import UNDECAYED_NORM


class Row(NamedTuple):
    """A block: kernel size, hidden and outgoing channels, squeeze-and-excitation, activation, stride."""

    kernel_size: int
    hidden: int
    channels: int
    use_se: bool
    act: Activation
    stride: int


SMALL = (
    Row(3, 16, 16, True, "relu", 2),
    Row(3, 72, 24, False, "relu", 2),
    Row(3, 88, 24, False, "relu", 1),
    Row(5, 96, 40, True, "hardswish", 2),
    Row(5, 240, 40, True, "hardswish", 1),
    Row(5, 240, 40, True, "hardswish", 1),
    Row(5, 120, 48, True, "hardswish", 1),
    Row(5, 144, 48, True, "hardswish", 1),
    Row(5, 288, 96, True, "hardswish", 2),
    Row(5, 576, 96, True, "hardswish", 1),
    Row(5, 576, 96, True, "hardswish", 1),
)
LARGE = (
    Row(3, 16, 16, False, "relu", 1),
    Row(3, 64, 24, False, "relu", 2),
    Row(3, 72, 24, False, "relu", 1),
    Row(5, 72, 40, True, "relu", 2),
    Row(5, 120, 40, True, "relu", 1),
    Row(5, 120, 40, True, "relu", 1),
    Row(3, 240, 80, False, "hardswish", 2),
    Row(3, 200, 80, False, "hardswish", 1),
    Row(3, 184, 80, False, "hardswish", 1),
    Row(3, 184, 80, False, "hardswish", 1),
    Row(3, 480, 112, True, "hardswish", 1),
    Row(3, 672, 112, True, "hardswish", 1),
    Row(5, 672, 160, True, "hardswish", 2),
    Row(5, 960, 160, True, "hardswish", 1),
    Row(5, 960, 160, True, "hardswish", 1),
)


class MobileNetV3(Chain):
    """`scale` multiplies all channels but the `class_expand` that the head takes."""

    only_layers = True
    param_groups = (UNDECAYED_NORM,)

    def __init__(
        self,
        rows: tuple[Row, ...],
        scale: float,
        *,
        class_num: int = 1000,
        class_expand: int = 1280,
        dropout_prob: Optional[float] = 0.2,
    ) -> None:
        super().__init__()
        channels = make_divisible(16 * scale)
        self.conv = ConvNormAct(3, channels, 3, stride=2, act="hardswish")
        blocks = []
        for kernel_size, width, out_width, use_se, act, stride in rows:
            hidden, out_channels = make_divisible(width * scale), make_divisible(out_width * scale)
            gate = SqueezeExcite(hidden, hidden // 4, gate="steep_hardsigmoid") if use_se else None
            blocks.append(
                InvertedResidual(channels, hidden, out_channels, kernel_size, stride=stride, act=act, gate=gate)
            )
            channels = out_channels
        self.blocks = nn.Sequential(*blocks)
        last_channels = make_divisible(6 * rows[-1].channels * scale)
        self.last_second_conv = ConvNormAct(channels, last_channels, 1, act="hardswish")
        self.add_widened_head(
            last_channels, class_num, class_expand=class_expand, dropout_prob=dropout_prob or 0.0, act="hardswish"
        )


VARIANTS = {
    "MobileNetV3_small_x0_35": partial(MobileNetV3, SMALL, 0.35),
    "MobileNetV3_small_x0_5": partial(MobileNetV3, SMALL, 0.5),
    "MobileNetV3_small_x0_75": partial(MobileNetV3, SMALL, 0.75),
    "MobileNetV3_small_x1_0": partial(MobileNetV3, SMALL, 1.0),
    "MobileNetV3_small_x1_25": partial(MobileNetV3, SMALL, 1.25),
    "MobileNetV3_large_x0_35": partial(MobileNetV3, LARGE, 0.35),
    "MobileNetV3_large_x0_5": partial(MobileNetV3, LARGE, 0.5),
    "MobileNetV3_large_x0_75": partial(MobileNetV3, LARGE, 0.75),
    "MobileNetV3_large_x1_0": partial(MobileNetV3, LARGE, 1.0),
    "MobileNetV3_large_x1_25": partial(MobileNetV3, LARGE, 1.25),
}
