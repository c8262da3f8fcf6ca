"""PP-LCNet: depthwise separable convolutions for CPUs.

Source: https://arxiv.org/abs/2109.15099, table 1. Names in the state dict and weights: PaddleClas (Apache-2.0).
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, Union

import paddle
from paddle import nn

from ppcls.models.chain import Chain
from ppcls.models.layers import (
    Act,
    Activation,
    ConvNormAct,
    Size,
    SqueezeExcite,
    as_size,
    make_divisible,
)
from ppcls.models.model import UNDECAYED_NORM, check_list, stage_rates

# Kernel size, channels that come out, whether the stage's stride is here, squeeze-and-excitation; by stage.
STAGES: dict[str, tuple[tuple[int, int, bool, bool], ...]] = {
    "blocks2": ((3, 32, False, False),),
    "blocks3": ((3, 64, True, False), (3, 64, False, False)),
    "blocks4": ((3, 128, True, False), (3, 128, False, False)),
    "blocks5": ((3, 256, True, False), *5 * ((5, 256, False, False),)),
    "blocks6": ((5, 512, True, True), (5, 512, False, True)),
}


class DepthwiseSeparable(nn.Layer):
    """A depthwise convolution, squeeze-and-excitation where asked for, and a 1x1 convolution."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, *, stride: Size, use_se: bool, act: Activation
    ) -> None:
        super().__init__()
        self.dw_conv = ConvNormAct(in_channels, in_channels, kernel_size, stride=stride, groups=in_channels, act=act)
        self.se = SqueezeExcite(in_channels, in_channels // 4) if use_se else nn.Identity()
        self.pw_conv = ConvNormAct(in_channels, out_channels, 1, act=act)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.pw_conv(self.se(self.dw_conv(x)))


class PPLCNet(Chain):
    """`scale` multiplies the channels of all stages.

    `stride_list`: of the stem and of stages 3 to 6, numbers or pairs (height, width); `lr_mult_list`: factors of the
    learning rate of the stem and of stages 2 to 6. Without `use_last_conv` the head takes the last stage's channels.
    """

    only_layers = True

    def __init__(
        self,
        scale: float,
        *,
        class_num: int = 1000,
        dropout_prob: float = 0.2,
        class_expand: int = 1280,
        lr_mult_list: Sequence[float] = (1.0, 1.0, 1.0, 1.0, 1.0, 1.0),
        stride_list: Sequence[Union[int, Sequence[int]]] = (2, 2, 2, 2, 2),
        use_last_conv: bool = True,
        act: Activation = "hardswish",
    ) -> None:
        check_list("lr_mult_list", lr_mult_list, ("the stem", *STAGES))
        check_list("stride_list", stride_list, ("the stem", "blocks3", "blocks4", "blocks5", "blocks6"), least=1)
        super().__init__()
        strides = [as_size(stride) for stride in stride_list]
        channels = make_divisible(16 * scale)
        self.conv1 = ConvNormAct(3, channels, 3, stride=strides[0], act=act)
        for (name, blocks), stage_stride in zip(STAGES.items(), (1, *strides[1:])):
            layers = []
            for kernel_size, width, strided, use_se in blocks:
                out_channels, stride = make_divisible(width * scale), stage_stride if strided else 1
                layers.append(
                    DepthwiseSeparable(channels, out_channels, kernel_size, stride=stride, use_se=use_se, act=act)
                )
                channels = out_channels
            self.add_sublayer(name, nn.Sequential(*layers))
        self.add_widened_head(
            channels,
            class_num,
            class_expand=class_expand,
            dropout_prob=dropout_prob,
            act=act,
            use_last_conv=use_last_conv,
        )
        self.param_groups = (*stage_rates(zip(("conv1", *STAGES), lr_mult_list)), UNDECAYED_NORM)


class TanhPPLCNet(PPLCNet):
    """PP-LCNet whose outputs are within -1 and 1, for hashes."""

    head_name = "fc.origin_layer"

    def add_widened_head(self, channels: int, class_num: int, **options: Any) -> None:
        super().add_widened_head(channels, class_num, **options)
        self.fc = nn.Sequential(("origin_layer", self.fc), ("tanh", Act("tanh")))

    def forward(self, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        return self.fc(self.features(images_NCHW))


VARIANTS = {
    "PPLCNetBaseNet": partial(PPLCNet, 1.0),
    "PPLCNet_x0_25": partial(PPLCNet, 0.25),
    "PPLCNet_x0_35": partial(PPLCNet, 0.35),
    "PPLCNet_x0_5": partial(PPLCNet, 0.5),
    "PPLCNet_x0_75": partial(PPLCNet, 0.75),
    "PPLCNet_x1_0": partial(PPLCNet, 1.0),
    "PPLCNet_x1_5": partial(PPLCNet, 1.5),
    "PPLCNet_x2_0": partial(PPLCNet, 2.0),
    "PPLCNet_x2_5": partial(PPLCNet, 2.5),
    "PPLCNet_x2_5_Tanh": partial(TanhPPLCNet, 2.5),
}
