"""PP-LCNetV2: depthwise separable convolutions whose depthwise ones are several branches in training.

Source: PaddleClas's docs/en/models/PP-LCNetV2_en.md; there is no paper. Names in the state dict and weights:
PaddleClas (Apache-2.0).
"""

import copy
from functools import partial, reduce
from typing import NamedTuple

import paddle
from paddle import nn

from ppcls.models.chain import Chain
from ppcls.models.layers import Act, Add, Conv2D, ConvNormAct, SqueezeExcite, make_divisible
from ppcls.models.layers.rep import fused, padded
from ppcls.models.model import UNDECAYED_NORM, Model


class Stage(NamedTuple):
    """Channels that come out, kernel size of the depthwise convolutions, and what a block has.

    `split`: two 1x1 convolutions with half the channels between them, instead of one.
    """

    channels: int
    kernel_size: int
    split: bool = False
    branches: bool = False
    use_se: bool = False
    shortcut: bool = False


STAGES = (
    Stage(128, 3),
    Stage(256, 3),
    Stage(512, 5, split=True, branches=True, use_se=True),
    Stage(1024, 5, branches=True, shortcut=True),
)


class Block(nn.Layer):
    """A depthwise convolution, squeeze-and-excitation where asked for, and 1x1 convolutions.

    With branches, `dw_conv` is unused until `fuse` sets it to their sum.
    """

    def __init__(self, in_channels: int, out_channels: int, stage: Stage, *, stride: int) -> None:
        super().__init__()
        conv = partial(ConvNormAct, in_channels, in_channels, groups=in_channels, stride=stride)
        self.dw_conv_list = None
        if stage.branches:
            # A kernel of 1 x 1 would see but every other pixel of what is halved.
            sizes = range(stage.kernel_size, 0 if stride == 1 else 1, -2)
            self.dw_conv_list = nn.LayerList([conv(size) for size in sizes])
            self.dw_conv = Conv2D(
                in_channels,
                in_channels,
                stage.kernel_size,
                stride=stride,
                padding=stage.kernel_size // 2,
                groups=in_channels,
            )
            for parameter in self.dw_conv.parameters():
                parameter.stop_gradient = True
        else:
            self.dw_conv = conv(stage.kernel_size)
        self.sum, self.act = Add(), Act("relu")
        self.se = SqueezeExcite(in_channels, in_channels // 4, gate="sigmoid") if stage.use_se else nn.Identity()
        self.shortcut = stage.shortcut and stride == 1 and in_channels == out_channels
        widths = (in_channels, out_channels // 2, out_channels) if stage.split else (in_channels, out_channels)
        self.pw_names = ("pw_conv_1", "pw_conv_2") if stage.split else ("pw_conv",)
        for name, before, after in zip(self.pw_names, widths, widths[1:]):
            self.add_sublayer(name, ConvNormAct(before, after, 1, act="relu"))

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        if self.dw_conv_list is None:
            y = self.dw_conv(x)
        else:
            y = reduce(self.sum, (branch(x) for branch in self.dw_conv_list))
        y = self.se(self.act(y))
        for name in self.pw_names:
            y = getattr(self, name)(y)
        return self.sum(x, y) if self.shortcut else y

    def fuse(self) -> None:
        """Let `dw_conv` compute what the branches compute in evaluation, and drop those."""
        if self.dw_conv_list is not None:
            weights, biases = zip(*(fused(branch.convolution, branch.norm) for branch in self.dw_conv_list))
            size = self.dw_conv.weight.shape[-1]
            self.dw_conv.weight.set_value(sum(padded(weight, size) for weight in weights))
            self.dw_conv.bias.set_value(sum(biases))
            self.dw_conv_list = None


class PPLCNetV2(Chain):
    """`scale` multiplies the channels of all stages.

    `embedding`: the form whose features are compared, not classified: the last stage halves nothing, and the features
    are a linear function of the pooled channels. Without `use_last_conv` the head takes the last stage's channels.
    """

    only_layers = True
    param_groups = (UNDECAYED_NORM,)

    def __init__(
        self,
        scale: float,
        depths: tuple[int, int, int, int],
        embedding: bool = False,
        *,
        class_num: int = 1000,
        class_expand: int = 1280,
        dropout_prob: float = 0.2,
        use_last_conv: bool = True,
    ) -> None:
        super().__init__()
        stem_channels, channels = make_divisible(32 * scale), make_divisible(64 * scale)
        self.stem = nn.Sequential(
            ConvNormAct(3, stem_channels, 3, stride=2, act="relu"),
            Block(stem_channels, channels, Stage(64, 3), stride=1),
        )
        stages = []
        for stage, depth in zip(STAGES, depths):
            first_stride = 1 if embedding and stage is STAGES[-1] else 2
            blocks = []
            for index in range(depth):
                out_channels = make_divisible(stage.channels * scale)
                blocks.append(Block(channels, out_channels, stage, stride=1 if index else first_stride))
                channels = out_channels
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.add_widened_head(
            channels,
            class_num,
            class_expand=class_expand,
            dropout_prob=dropout_prob,
            act=None if embedding else "relu",
            use_last_conv=use_last_conv,
            bias=embedding,
        )

    def deployable(self) -> Model:
        model = copy.deepcopy(self)
        for layer in model.sublayers():
            if isinstance(layer, Block):
                layer.fuse()
        return model


VARIANTS = {
    "PPLCNetV2_small": partial(PPLCNetV2, 0.75, (2, 2, 4, 2)),
    "PPLCNetV2_base": partial(PPLCNetV2, 1.0, (2, 2, 6, 2)),
    "PPLCNetV2_large": partial(PPLCNetV2, 1.25, (2, 2, 8, 2)),
    "PPLCNetV2_base_ShiTu": partial(PPLCNetV2, 1.0, (2, 2, 6, 2), True),
}
