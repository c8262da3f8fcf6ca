"""ResNeXt and the SE-ResNets: residual networks with grouped convolutions, with squeeze-and-excitation, or with both.

Source: ResNeXt, https://arxiv.org/abs/1611.05431, table 1; SENet, https://arxiv.org/abs/1709.01507, table 1; the vd
forms, https://arxiv.org/abs/1812.01187, section 4. Names in the state dict and weights: PaddleClas (Apache-2.0).
"""

from collections.abc import Sequence
from functools import partial
from typing import Literal

import paddle
from paddle import nn

from ppcls.models.layers import (
    Add,
    AvgPool,
    Branch,
    DataFormat,
    Flatten,
    GlobalAvgPool,
    Head,
    LinearSqueezeExcite,
    MaxPool,
    UnderscoreConvNormAct,
)
from ppcls.models.model import Model

# The channels of a stem's convolutions: one of 7x7 pixels, or three of 3x3.
Stem = Literal["7x7", "deep", "wide"]
STEMS: dict[Stem, Sequence[int]] = {"7x7": (64,), "deep": (32, 32, 64), "wide": (64, 64, 128)}
REDUCTION = 16
# As many channels in the first stage mean basic blocks, without bottlenecks.
BASIC = 64


class Block(nn.Layer):
    """Convolutions of the kernel sizes `kernels` around a shortcut; the last one gives `out_channels`."""

    def __init__(
        self,
        in_channels: int,
        width: int,
        out_channels: int,
        *,
        kernels: Sequence[int],
        stride: int,
        groups: int,
        use_se: bool,
        pooled: bool,
        projects: bool,
        data_format: DataFormat,
    ) -> None:
        super().__init__()
        make_conv = partial(UnderscoreConvNormAct, data_format=data_format)
        self.num_convs = len(kernels)
        strided = kernels.index(3)  # the first 3x3 convolution has the stride
        channels = [in_channels, *[width] * (len(kernels) - 1), out_channels]
        for index, kernel_size in enumerate(kernels):
            conv = make_conv(
                channels[index],
                channels[index + 1],
                kernel_size,
                stride=stride if index == strided else 1,
                groups=groups if kernel_size == 3 else 1,
                act=None if use_se and index == len(kernels) - 1 else "relu",
            )
            self.add_sublayer(f"conv{index}", conv)
        self.branch = Branch()
        self.scale = (
            LinearSqueezeExcite(out_channels, out_channels // REDUCTION, data_format=data_format) if use_se else None
        )
        self.sum = Add("relu")
        self.pool, self.short = nn.Identity(), nn.Identity()
        if pooled:
            self.pool = AvgPool(2, stride=stride, padding="SAME", ceil_mode=True, data_format=data_format)
            stride = 1
        if projects:
            self.short = make_conv(in_channels, out_channels, 1, stride=stride)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x, beside = self.branch(x)
        shortcut = self.short(self.pool(beside))
        *before, last = (getattr(self, f"conv{index}") for index in range(self.num_convs))
        for conv in before:
            x = conv(x)
        return last(x, shortcut) if self.scale is None else self.sum(self.scale(last(x)), shortcut)


class ResNeXt(Model):
    """Images [N, C, H, W], whatever the `data_format` inside, -> logits [N, class_num].

    `width`: of the first stage's 3x3 convolutions, in `groups` groups; its blocks give `channels` channels.
    Each later stage doubles both. "se": with squeeze-and-excitation; "vd": shortcuts halve images by an average.
    """

    head_name = "out"
    only_layers = True

    def __init__(
        self,
        depths: tuple[int, int, int, int],
        width: int,
        channels: int,
        groups: int,
        stem: Stem,
        *columns: Literal["se", "vd"],
        class_num: int = 1000,
        data_format: DataFormat = "NCHW",
        input_image_channel: int = 3,
    ) -> None:
        super().__init__()
        self.data_format = data_format
        use_se, is_vd = "se" in columns, "vd" in columns
        in_channels = self._add_stem(stem, input_image_channel)
        self.pool2d_max = MaxPool(3, stride=2, padding=1, data_format=data_format)
        self.block_names = []
        for stage, depth in enumerate(depths):
            for index in range(depth):
                out_channels = channels << stage
                block = Block(
                    in_channels,
                    width << stage,
                    out_channels,
                    kernels=(3, 3) if channels == BASIC else (1, 3, 1),
                    stride=2 if stage > 0 and index == 0 else 1,
                    groups=groups,
                    use_se=use_se,
                    pooled=is_vd and stage > 0 and index == 0,
                    projects=index == 0,
                    data_format=data_format,
                )
                self.block_names.append(f"bb_{stage}_{index}")
                self.add_sublayer(self.block_names[-1], block)
                in_channels = out_channels
        self.pool2d_avg = GlobalAvgPool(data_format)
        self.flatten = Flatten()
        self.num_features = in_channels
        self.out = Head(in_channels, class_num)

    def _add_stem(self, stem: Stem, in_channels: int) -> int:
        """Add the stem's convolutions; return how many channels come out."""
        self.stem_names = ["conv"] if stem == "7x7" else ["conv1_1", "conv1_2", "conv1_3"]
        conv = partial(UnderscoreConvNormAct, act="relu", data_format=self.data_format)
        for name, channels in zip(self.stem_names, STEMS[stem]):
            stride = 2 if name == self.stem_names[0] else 1
            kernel_size = 7 if stem == "7x7" else 3
            self.add_sublayer(name, conv(in_channels, channels, kernel_size, stride=stride))
            in_channels = channels
        return in_channels

    def features(self, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        x = self.operators.images(self, images_NCHW)
        for name in (*self.stem_names, "pool2d_max", *self.block_names):
            x = getattr(self, name)(x)
        return self.flatten(self.pool2d_avg(x))


D18, D34, D50 = (2, 2, 2, 2), (3, 4, 6, 3), (3, 4, 6, 3)
D101, D152 = (3, 4, 23, 3), (3, 8, 36, 3)

VARIANTS = {
    "ResNeXt50_32x4d": partial(ResNeXt, D50, 128, 256, 32, "7x7"),
    "ResNeXt50_64x4d": partial(ResNeXt, D50, 256, 256, 64, "7x7"),
    "ResNeXt101_32x4d": partial(ResNeXt, D101, 128, 256, 32, "7x7"),
    "ResNeXt101_64x4d": partial(ResNeXt, D101, 256, 256, 64, "7x7"),
    "ResNeXt152_32x4d": partial(ResNeXt, D152, 128, 256, 32, "7x7"),
    "ResNeXt152_64x4d": partial(ResNeXt, D152, 256, 256, 64, "7x7"),
    "ResNeXt50_vd_32x4d": partial(ResNeXt, D50, 128, 256, 32, "deep", "vd"),
    "ResNeXt50_vd_64x4d": partial(ResNeXt, D50, 256, 256, 64, "deep", "vd"),
    "ResNeXt101_vd_32x4d": partial(ResNeXt, D101, 128, 256, 32, "deep", "vd"),
    "ResNeXt101_vd_64x4d": partial(ResNeXt, D101, 256, 256, 64, "deep", "vd"),
    "ResNeXt152_vd_32x4d": partial(ResNeXt, D152, 128, 256, 32, "deep", "vd"),
    "ResNeXt152_vd_64x4d": partial(ResNeXt, D152, 256, 256, 64, "deep", "vd"),
    "SE_ResNet18_vd": partial(ResNeXt, D18, 64, 64, 1, "deep", "se", "vd"),
    "SE_ResNet34_vd": partial(ResNeXt, D34, 64, 64, 1, "deep", "se", "vd"),
    "SE_ResNet50_vd": partial(ResNeXt, D50, 64, 256, 1, "deep", "se", "vd"),
    "SE_ResNeXt50_vd_32x4d": partial(ResNeXt, D50, 128, 256, 32, "wide", "se", "vd"),
    "SENet154_vd": partial(ResNeXt, D152, 256, 256, 64, "wide", "se", "vd"),
    "SE_ResNeXt50_32x4d": partial(ResNeXt, D50, 128, 256, 32, "7x7", "se"),
    "SE_ResNeXt101_32x4d": partial(ResNeXt, D101, 128, 256, 32, "7x7", "se"),
    "SE_ResNeXt152_64x4d": partial(ResNeXt, D152, 256, 256, 64, "wide", "se"),
}
