"""PP-HGNetV2: aggregated convolutions, light ones in the later stages, for GPUs.

Source: PaddleClas's docs/en/models/PP-HGNetV2_en.md; there is no paper. Names in the state dict and weights:
PaddleClas (Apache-2.0).
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple, Optional, Union

import paddle
from paddle import nn

from ppcls.config.groups import Group
from ppcls.models.chain import Chain
from ppcls.models.layers import Activation, Concat, ConvNormAct, LearnableAffine, MaxPool, OneShotAggregation
from ppcls.models.model import UNDECAYED_NORM, check_list, stage_rates
from ppcls.models.pphgnet import HGStage

# The rate of learnable factors and offsets, as a part of their stage's.
AFFINE_RATE = 0.01


class Stage(NamedTuple):
    """Channels inside and at the end of each block, how many blocks, and how many layers in each."""

    hidden: int
    channels: int
    depth: int
    num_layers: int


class ConvNormActAffine(ConvNormAct):
    """ConvNormAct with a learnable factor and offset (`affine`) behind its activation, if it has one."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        affine: bool,
        stride: int = 1,
        padding: Optional[str] = None,
        groups: int = 1,
        act: Optional[Activation] = "relu",
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride=stride, padding=padding, groups=groups, act=act)
        self.lab = LearnableAffine() if affine and act else nn.Identity()

    def forward(self, x: paddle.Tensor, shortcut: Optional[paddle.Tensor] = None) -> Any:
        return self.lab(super().forward(x, shortcut))


class LightConv(nn.Layer):
    """A linear 1x1 convolution and a depthwise one."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, *, affine: bool) -> None:
        super().__init__()
        self.conv1 = ConvNormActAffine(in_channels, out_channels, 1, affine=affine, act=None)
        self.conv2 = ConvNormActAffine(out_channels, out_channels, kernel_size, affine=affine, groups=out_channels)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.conv2(self.conv1(x))


class Stem(nn.Layer):
    """Convolutions to a quarter of the height and width, with a max pool beside the second and third."""

    def __init__(self, channels: int, out_channels: int, *, affine: bool) -> None:
        super().__init__()
        conv = partial(ConvNormActAffine, affine=affine)
        self.stem1 = conv(3, channels, 3, stride=2)
        self.stem2a = conv(channels, channels // 2, 2, padding="SAME")
        self.stem2b = conv(channels // 2, channels, 2, padding="SAME")
        self.stem3 = conv(2 * channels, channels, 3, stride=2)
        self.stem4 = conv(channels, out_channels, 1)
        self.pool = MaxPool(2, stride=1, padding="SAME", ceil_mode=True)
        self.concat = Concat()

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = self.stem1(x)
        return self.stem4(self.stem3(self.concat([self.pool(x), self.stem2b(self.stem2a(x))])))


def _block(in_channels: int, stage: Stage, *, light: bool, affine: bool, shortcut: bool) -> OneShotAggregation:
    layer: Union[type[LightConv], type[ConvNormActAffine]] = LightConv if light else ConvNormActAffine
    widths = (in_channels, *stage.num_layers * (stage.hidden,))
    layers = [layer(before, stage.hidden, 5 if light else 3, affine=affine) for before in widths[:-1]]
    squeezed = stage.channels // 2
    aggregation = {
        "aggregation_squeeze_conv": ConvNormActAffine(sum(widths), squeezed, 1, affine=affine),
        "aggregation_excitation_conv": ConvNormActAffine(squeezed, stage.channels, 1, affine=affine),
    }
    return OneShotAggregation(layers, aggregation, shortcut=shortcut)


class PPHGNetV2(Chain):
    """`lr_mult_list`: factors of the learning rate of the stem and of the four stages.

    `affine`: whether each activation is followed by a learnable factor and offset, at a hundredth of the rate.
    Without `use_last_conv` the head takes the last stage's channels.
    """

    only_layers = True

    def __init__(
        self,
        stem_channels: tuple[int, int],
        stages: Sequence[Stage],
        affine: bool,
        *,
        class_num: int = 1000,
        class_expand: int = 2048,
        dropout_prob: float = 0.0,
        lr_mult_list: Sequence[float] = (1.0, 1.0, 1.0, 1.0, 1.0),
        use_last_conv: bool = True,
    ) -> None:
        parts = ("stem", *(f"stages.{index}" for index in range(4)))
        check_list("lr_mult_list", lr_mult_list, parts)
        super().__init__()
        self.stem = Stem(*stem_channels, affine=affine)
        channels = stem_channels[1]
        built = []
        for index, stage in enumerate(stages):
            blocks = [
                _block(stage.channels if block else channels, stage, light=index > 1, affine=affine, shortcut=block > 0)
                for block in range(stage.depth)
            ]
            built.append(HGStage(channels, blocks, halve=index > 0))
            channels = stage.channels
        self.stages = nn.Sequential(*built)
        self.add_widened_head(
            channels,
            class_num,
            class_expand=class_expand,
            dropout_prob=dropout_prob,
            act="relu",
            use_last_conv=use_last_conv,
            affine=LearnableAffine() if affine else None,
        )
        factors = dict(zip(parts, lr_mult_list))
        affine_rates = (Group(rf"^{part}\b.*\blab\.", lr_factor=AFFINE_RATE * rate) for part, rate in factors.items())
        self.param_groups = (
            *affine_rates,
            Group(r"^lab\.", lr_factor=AFFINE_RATE),
            *stage_rates(factors.items()),
            UNDECAYED_NORM,
        )


def _stages(
    hidden: Sequence[int], channels: Sequence[int], depths: Sequence[int], num_layers: int
) -> tuple[Stage, ...]:
    return tuple(Stage(*row, num_layers) for row in zip(hidden, channels, depths))


B0 = _stages((16, 32, 64, 128), (64, 256, 512, 1024), (1, 1, 2, 1), 3)
B1 = _stages((32, 48, 96, 192), (64, 256, 512, 1024), (1, 1, 2, 1), 3)
B2 = _stages((32, 64, 128, 256), (96, 384, 768, 1536), (1, 1, 3, 1), 4)
B3 = _stages((32, 64, 128, 256), (128, 512, 1024, 2048), (1, 1, 3, 1), 5)
B4 = _stages((48, 96, 192, 384), (128, 512, 1024, 2048), (1, 1, 3, 1), 6)
B5 = _stages((64, 128, 256, 512), (128, 512, 1024, 2048), (1, 2, 5, 2), 6)
B6 = _stages((96, 192, 384, 768), (192, 512, 1024, 2048), (2, 3, 6, 3), 6)

VARIANTS = {
    "PPHGNetV2_B0": partial(PPHGNetV2, (16, 16), B0, True),
    "PPHGNetV2_B1": partial(PPHGNetV2, (24, 32), B1, True),
    "PPHGNetV2_B2": partial(PPHGNetV2, (24, 32), B2, True),
    "PPHGNetV2_B3": partial(PPHGNetV2, (24, 32), B3, True),
    "PPHGNetV2_B4": partial(PPHGNetV2, (32, 48), B4, False),
    "PPHGNetV2_B5": partial(PPHGNetV2, (32, 64), B5, False),
    "PPHGNetV2_B6": partial(PPHGNetV2, (48, 96), B6, False),
}
