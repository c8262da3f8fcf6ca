"""ResNet 18 to 200 and their vc and vd forms.

Source: ResNet, https://arxiv.org/abs/1512.03385, with a bottleneck's stride on its 3x3 convolution ("vb").
vc and vd: https://arxiv.org/abs/1812.01187, section 4: vc has a stem of three 3x3 convolutions; vd also
halves a shortcut by average pooling instead of a strided 1x1 convolution. State-dict names and the projection
in the first shortcut of ResNet18 and ResNet34 are PaddleClas's, so that its weights load unchanged.
"""

import copy
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, Optional, Union

import paddle
from paddle import nn

from ppcls.models.layers import (
    Activation,
    AvgPool,
    Branch,
    ConvNormAct,
    DataFormat,
    DiverseBranchBlock,
    Flatten,
    GlobalAvgPool,
    Head,
    MaxPool,
    Size,
    UnderscoreConvNormAct,
    as_size,
)
from ppcls.models.model import Model, check_list, stage_rates

Shortcut = Literal["identity", "projection", "pooled projection"]
Version = Literal["vb", "vc", "vd"]

# What makes a convolution with norm and activation, or layers in its place.
Conv = Callable[..., Any]

STAGE_CHANNELS = (64, 128, 256, 512)
PARTS = ("the stem", "stage 1", "stage 2", "stage 3", "stage 4")


class Block(nn.Layer):
    """Convolutions around a shortcut, `short(pool(x))`, which is added before the last activation."""

    expansion: int

    def __init__(
        self,
        in_channels: int,
        channels: int,
        *,
        stride: Size,
        shortcut: Shortcut,
        conv: type[ConvNormAct],
        data_format: DataFormat,
        diverse: bool,
    ) -> None:
        super().__init__()
        path_conv = DiverseBranchBlock if diverse else partial(conv, data_format=data_format)
        self.add_path(in_channels, channels, stride, path_conv)
        self.branch = Branch()
        self.pool = nn.Identity()
        self.short = nn.Identity()
        if shortcut == "pooled projection":
            self.pool = AvgPool(2, stride=stride, padding="SAME", ceil_mode=True, data_format=data_format)
            stride = 1
        if shortcut != "identity":
            self.short = conv(in_channels, channels * self.expansion, 1, stride=stride, data_format=data_format)

    def add_path(self, in_channels: int, channels: int, stride: Size, conv: Conv) -> None:
        """Add the convolutions beside the shortcut."""
        raise NotImplementedError

    def shortcut(self, x: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Return the input of the path, and the shortcut: computed first, as the path leaves holes in memory."""
        x, beside = self.branch(x)
        return x, self.short(self.pool(beside))


class BasicBlock(Block):
    """Two 3x3 convolutions around a shortcut."""

    expansion = 1

    def add_path(self, in_channels: int, channels: int, stride: Size, conv: Conv) -> None:
        self.conv0 = conv(in_channels, channels, 3, stride=stride, act="relu")
        self.conv1 = conv(channels, channels, 3, act="relu")

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x, shortcut = self.shortcut(x)
        return self.conv1(self.conv0(x), shortcut)


class Bottleneck(Block):
    """1x1, 3x3 and 1x1 convolutions around a shortcut; 4 * `channels` come out."""

    expansion = 4

    def add_path(self, in_channels: int, channels: int, stride: Size, conv: Conv) -> None:
        self.conv0 = conv(in_channels, channels, 1, act="relu")
        self.conv1 = conv(channels, channels, 3, stride=stride, act="relu")
        self.conv2 = conv(channels, 4 * channels, 1, act="relu")

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x, shortcut = self.shortcut(x)
        return self.conv2(self.conv1(self.conv0(x)), shortcut)


class ResNet(Model):
    """Images [N, C, H, W], whatever the `data_format` inside, -> logits [N, class_num].

    `lr_mult_list` multiplies the learning rate of the stem and the four stages (the head keeps 1).
    `stride_list` holds the strides of the stem, the max pool and stages 2, 3 and 4; each may be (vertical, horizontal).
    `stem_act`: null for none.
    `layer_type` DiverseBranchBlock trains four branches for each convolution of the blocks (NCHW only).
    `use_first_short_conv: False` adds the input of a basic block's first stage as it is.
    """

    only_layers = True
    conv: type[ConvNormAct] = ConvNormAct
    pool: Callable[[DataFormat], nn.Layer] = GlobalAvgPool

    def __init__(
        self,
        block: Union[type[BasicBlock], type[Bottleneck]],
        depths: tuple[int, int, int, int],
        version: Version = "vb",
        *,
        class_num: int = 1000,
        data_format: DataFormat = "NCHW",
        input_image_channel: int = 3,
        lr_mult_list: Sequence[float] = (1.0, 1.0, 1.0, 1.0, 1.0),
        stride_list: Sequence[Union[int, Sequence[int]]] = (2, 2, 2, 2, 2),
        stem_act: Optional[Literal["relu"]] = "relu",
        layer_type: Literal["ConvBNLayer", "DiverseBranchBlock"] = "ConvBNLayer",
        use_first_short_conv: bool = True,
    ) -> None:
        check_list("lr_mult_list", lr_mult_list, PARTS)
        check_list("stride_list", stride_list, ("the stem", "the max pool", "stage 2", "stage 3", "stage 4"), least=1)
        if input_image_channel < 1:
            raise ValueError(f"input_image_channel: must be at least 1; received {input_image_channel}")
        diverse = layer_type == "DiverseBranchBlock"
        if diverse and data_format != "NCHW":
            raise ValueError(f"layer_type: {layer_type} computes in NCHW; received data_format: {data_format}; drop it")
        if block.expansion > 1 and not use_first_short_conv:
            raise ValueError("use_first_short_conv: bottlenecks need it; received False; drop it")
        super().__init__()
        self.data_format, self.diverse = data_format, diverse
        self.num_features = STAGE_CHANNELS[-1] * block.expansion
        strides = [as_size(stride) for stride in stride_list]
        stem = self._stem(version, input_image_channel, strides[0], stem_act)
        max_pool = MaxPool(3, stride=strides[1], padding=1, data_format=data_format)
        make = partial(block, conv=self.conv, data_format=data_format, diverse=diverse)
        # The first stage halves nothing, so there is nothing to pool.
        first: Shortcut = "projection" if use_first_short_conv else "identity"
        other: Shortcut = "pooled projection" if version == "vd" else "projection"
        stages = self._stages(make, depths, (1, *strides[2:]), (first, other, other, other))
        names = self._add_trunk(stem, max_pool, stages)
        self.param_groups = stage_rates((name, factor) for part, factor in zip(names, lr_mult_list) for name in part)
        self.avg_pool = self.pool(data_format)
        self.flatten = Flatten()
        self.add_sublayer(self.head_name, Head(self.num_features, class_num))

    def _stem(self, version: Version, in_channels: int, stride: Size, act: Optional[Activation]) -> list[ConvNormAct]:
        conv = partial(self.conv, act=act, data_format=self.data_format)
        if version == "vb":
            return [conv(in_channels, 64, 7, stride=stride)]
        return [conv(in_channels, 32, 3, stride=stride), conv(32, 32, 3), conv(32, 64, 3)]

    def _stages(
        self, block: partial[Block], depths: Sequence[int], strides: Sequence[Size], shortcuts: Sequence[Shortcut]
    ) -> list[list[Block]]:
        stages: list[list[Block]] = []
        in_channels = 64
        for channels, depth, stride, shortcut in zip(STAGE_CHANNELS, depths, strides, shortcuts):
            blocks: list[Block] = []
            for index in range(depth):
                blocks.append(
                    block(
                        in_channels,
                        channels,
                        stride=1 if index else stride,
                        shortcut="identity" if index else shortcut,
                    )
                )
                in_channels = channels * blocks[-1].expansion
            stages.append(blocks)
        return stages

    def _add_trunk(
        self, stem: list[ConvNormAct], max_pool: nn.Layer, stages: Sequence[Sequence[nn.Layer]]
    ) -> list[list[str]]:
        """Add the layers before the pool; return the names of those of the stem and of each stage."""
        self.stem = nn.Sequential(*stem)
        self.max_pool = max_pool
        self.blocks = nn.Sequential(*(block for blocks in stages for block in blocks))
        numbers = iter(range(len(self.blocks)))
        return [["stem"], *([f"blocks.{next(numbers)}" for _ in blocks] for blocks in stages)]

    def features(self, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        x = self.operators.images(self, images_NCHW)
        for name, layer in self.named_children():  # in the order in which the constructor adds them
            x = x if name == self.head_name else layer(x)
        return x

    def deployable(self) -> "ResNet":
        if not self.diverse:
            return self
        deployed = copy.deepcopy(self)
        for layer in deployed.sublayers():
            for name, child in list(layer.named_children()):
                if isinstance(child, DiverseBranchBlock):
                    setattr(layer, name, child.fuse())
        return deployed


class UnderscoreResNet(ResNet):
    """ResNet whose weights have the names of PaddleClas's older families."""

    conv = UnderscoreConvNormAct
    head_name = "out"

    def _add_trunk(
        self, stem: list[ConvNormAct], max_pool: nn.Layer, stages: Sequence[Sequence[nn.Layer]]
    ) -> list[list[str]]:
        named_stem = {f"conv1_{index}": layer for index, layer in enumerate(stem, start=1)}
        named_stages = [
            {f"bb_{stage}_{index}": block for index, block in enumerate(blocks)} for stage, blocks in enumerate(stages)
        ]
        for name, layer in named_stem.items():
            self.add_sublayer(name, layer)
        self.max_pool = max_pool
        for named in named_stages:
            for name, layer in named.items():
                self.add_sublayer(name, layer)
        return [list(named) for named in (named_stem, *named_stages)]


VARIANTS = {
    "ResNet18": partial(ResNet, BasicBlock, (2, 2, 2, 2)),
    "ResNet34": partial(ResNet, BasicBlock, (3, 4, 6, 3)),
    "ResNet50": partial(ResNet, Bottleneck, (3, 4, 6, 3)),
    "ResNet101": partial(ResNet, Bottleneck, (3, 4, 23, 3)),
    "ResNet152": partial(ResNet, Bottleneck, (3, 8, 36, 3)),
    "ResNet18_vd": partial(ResNet, BasicBlock, (2, 2, 2, 2), "vd"),
    "ResNet34_vd": partial(ResNet, BasicBlock, (3, 4, 6, 3), "vd"),
    "ResNet50_vd": partial(ResNet, Bottleneck, (3, 4, 6, 3), "vd"),
    "ResNet101_vd": partial(ResNet, Bottleneck, (3, 4, 23, 3), "vd"),
    "ResNet152_vd": partial(ResNet, Bottleneck, (3, 8, 36, 3), "vd"),
    "ResNet200_vd": partial(ResNet, Bottleneck, (3, 12, 48, 3), "vd"),
    "ResNet50_vc": partial(UnderscoreResNet, Bottleneck, (3, 4, 6, 3), "vc"),
}
