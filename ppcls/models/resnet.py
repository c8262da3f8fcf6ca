"""ResNet 18 to 152 and their vc and vd forms.

Source: ResNet, https://arxiv.org/abs/1512.03385, with a bottleneck's stride on its 3x3 convolution ("vb").
vc and vd: https://arxiv.org/abs/1812.01187, section 4: vc has a stem of three 3x3 convolutions; vd also
halves a shortcut by average pooling instead of a strided 1x1 convolution. State-dict names and the projection
in the first shortcut of ResNet18 and ResNet34 are PaddleClas's, so that its weights load unchanged.
"""
# ruff: noqa: N801 - the class names are the names that configs use

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Union

import paddle
from paddle import nn

from ppcls.models.layers.base import (
    STOCK,
    AvgPool,
    Branch,
    ConvBN,
    DataFormat,
    GlobalAvgPool,
    Head,
    LayerOptions,
    MaxPool,
    UnderscoreConvBN,
)

Shortcut = Literal["identity", "projection", "pooled projection"]

STAGE_CHANNELS = (64, 128, 256, 512)


def add_shortcut(
    block: nn.Layer,
    in_channels: int,
    out_channels: int,
    *,
    stride: int,
    kind: Shortcut,
    conv_bn: type[ConvBN],
    options: LayerOptions,
) -> None:
    """Give `block` its `branch`, `pool` and `short`; the shortcut is `short(pool(x))`."""
    block.branch = Branch()
    block.pool = nn.Identity()
    block.short = nn.Identity()
    if kind == "pooled projection":
        block.pool = AvgPool(2, stride=stride, padding="SAME", ceil_mode=True, data_format=options.data_format)
        stride = 1
    if kind != "identity":
        block.short = conv_bn(in_channels, out_channels, 1, stride=stride, options=options)


class BasicBlock(nn.Layer):
    """Two 3x3 convolutions around a shortcut."""

    expansion = 1

    def __init__(
        self,
        in_channels: int,
        channels: int,
        *,
        stride: int,
        shortcut: Shortcut,
        conv_bn: type[ConvBN],
        options: LayerOptions,
    ) -> None:
        super().__init__()
        self.conv0 = conv_bn(in_channels, channels, 3, stride=stride, relu=True, options=options)
        self.conv1 = conv_bn(channels, channels, 3, relu=True, options=options)
        add_shortcut(self, in_channels, channels, stride=stride, kind=shortcut, conv_bn=conv_bn, options=options)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x, beside = self.branch(x)
        return self.conv1(self.conv0(x), self.short(self.pool(beside)))


class Bottleneck(nn.Layer):
    """1x1, 3x3 and 1x1 convolutions around a shortcut; 4 * `channels` come out."""

    expansion = 4

    def __init__(
        self,
        in_channels: int,
        channels: int,
        *,
        stride: int,
        shortcut: Shortcut,
        conv_bn: type[ConvBN],
        options: LayerOptions,
    ) -> None:
        super().__init__()
        out_channels = 4 * channels
        self.conv0 = conv_bn(in_channels, channels, 1, relu=True, options=options)
        self.conv1 = conv_bn(channels, channels, 3, stride=stride, relu=True, options=options)
        self.conv2 = conv_bn(channels, out_channels, 1, relu=True, options=options)
        add_shortcut(self, in_channels, out_channels, stride=stride, kind=shortcut, conv_bn=conv_bn, options=options)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x, beside = self.branch(x)
        return self.conv2(self.conv1(self.conv0(x)), self.short(self.pool(beside)))


def check_arguments(
    class_num: int, input_image_channel: int, lr_mult_list: Sequence[float], stride_list: Sequence[int]
) -> None:
    """Raise ValueError for what the types of the arguments let through."""
    for name, count in (("class_num", class_num), ("input_image_channel", input_image_channel)):
        if count < 1:
            raise ValueError(f"{name}: can't be less than 1; received {count}; give a positive integer")
    if len(lr_mult_list) != 5 or min(lr_mult_list) < 0:
        raise ValueError(
            f"lr_mult_list: not five multipliers >= 0; received {list(lr_mult_list)}; "
            "give one for the stem and one for each of the four stages"
        )
    if len(stride_list) != 5 or min(stride_list) < 1:
        raise ValueError(
            f"stride_list: not five strides >= 1; received {list(stride_list)}; "
            "give those of the stem, the max pool and stages 2, 3 and 4"
        )


class ResNet(nn.Layer):
    """Images [N, C, H, W], whatever the `data_format` inside, -> logits [N, class_num].

    `lr_mult_list` multiplies the learning rate of the stem and the four stages (the head keeps 1).
    `stride_list` holds the strides of the stem, the max pool and stages 2, 3 and 4.
    """

    block: ClassVar[Union[type[BasicBlock], type[Bottleneck]]]
    stage_blocks: ClassVar[tuple[int, int, int, int]]
    version: ClassVar[Literal["vb", "vc", "vd"]] = "vb"
    conv_bn: ClassVar[type[ConvBN]] = ConvBN
    head_name: ClassVar[str] = "fc"
    operators: Any = STOCK

    def __init__(
        self,
        *,
        class_num: int = 1000,
        data_format: DataFormat = "NCHW",
        input_image_channel: int = 3,
        lr_mult_list: Sequence[float] = (1.0, 1.0, 1.0, 1.0, 1.0),
        stride_list: Sequence[int] = (2, 2, 2, 2, 2),
        use_sync_bn: bool = False,
    ) -> None:
        check_arguments(class_num, input_image_channel, lr_mult_list, stride_list)
        super().__init__()
        self.data_format = data_format
        stem_options, *options = (LayerOptions(data_format, lr_mult, use_sync_bn) for lr_mult in lr_mult_list)
        stem = self._stem(input_image_channel, stride_list[0], stem_options)
        max_pool = MaxPool(3, stride=stride_list[1], padding=1, data_format=data_format)
        stages = self._stages((1, *stride_list[2:]), options)
        self._add_trunk(stem, max_pool, stages)
        self.avg_pool = GlobalAvgPool(data_format)
        self.flatten = nn.Flatten()
        self.add_sublayer(self.head_name, Head(STAGE_CHANNELS[-1] * self.block.expansion, class_num))

    def _stem(self, in_channels: int, stride: int, options: LayerOptions) -> list[ConvBN]:
        if self.version == "vb":
            return [self.conv_bn(in_channels, 64, 7, stride=stride, relu=True, options=options)]
        return [
            self.conv_bn(in_channels, 32, 3, stride=stride, relu=True, options=options),
            self.conv_bn(32, 32, 3, relu=True, options=options),
            self.conv_bn(32, 64, 3, relu=True, options=options),
        ]

    def _stages(self, strides: Sequence[int], options: Sequence[LayerOptions]) -> list[list[nn.Layer]]:
        stages: list[list[nn.Layer]] = []
        in_channels = 64
        for stage, num_blocks in enumerate(self.stage_blocks):
            blocks: list[nn.Layer] = []
            for index in range(num_blocks):
                blocks.append(
                    self.block(
                        in_channels,
                        STAGE_CHANNELS[stage],
                        stride=strides[stage] if index == 0 else 1,
                        shortcut=self._shortcut(stage, index),
                        conv_bn=self.conv_bn,
                        options=options[stage],
                    )
                )
                in_channels = STAGE_CHANNELS[stage] * self.block.expansion
            stages.append(blocks)
        return stages

    def _shortcut(self, stage: int, index: int) -> Shortcut:
        if index > 0:
            return "identity"
        # The first stage halves nothing, so there is nothing to pool.
        return "pooled projection" if self.version == "vd" and stage > 0 else "projection"

    def _add_trunk(self, stem: list[ConvBN], max_pool: nn.Layer, stages: list[list[nn.Layer]]) -> None:
        self.stem = nn.Sequential(*stem)
        self.max_pool = max_pool
        self.blocks = nn.Sequential(*(block for blocks in stages for block in blocks))

    def forward(self, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        x = self.operators.images(self, images_NCHW)
        for layer in self.children():  # in the order in which the constructor adds them
            x = layer(x)
        return x


class ResNet18(ResNet):
    block = BasicBlock
    stage_blocks = (2, 2, 2, 2)


class ResNet34(ResNet):
    block = BasicBlock
    stage_blocks = (3, 4, 6, 3)


class ResNet50(ResNet):
    block = Bottleneck
    stage_blocks = (3, 4, 6, 3)


class ResNet101(ResNet):
    block = Bottleneck
    stage_blocks = (3, 4, 23, 3)


class ResNet152(ResNet):
    block = Bottleneck
    stage_blocks = (3, 8, 36, 3)


class ResNet18_vd(ResNet18):
    version = "vd"


class ResNet34_vd(ResNet34):
    version = "vd"


class ResNet50_vd(ResNet50):
    version = "vd"


class ResNet101_vd(ResNet101):
    version = "vd"


class ResNet152_vd(ResNet152):
    version = "vd"


class ResNet50_vc(ResNet50):
    """The vc form, whose weights have the names of PaddleClas's older families."""

    version = "vc"
    conv_bn = UnderscoreConvBN
    head_name = "out"

    def _add_trunk(self, stem: list[ConvBN], max_pool: nn.Layer, stages: list[list[nn.Layer]]) -> None:
        for index, layer in enumerate(stem, start=1):
            self.add_sublayer(f"conv1_{index}", layer)
        self.max_pool = max_pool
        for stage, blocks in enumerate(stages):
            for index, block in enumerate(blocks):
                self.add_sublayer(f"bb_{stage}_{index}", block)
