"""RepVGG: branches in training, a plain chain of 3x3 convolutions once deployed.

Source: https://arxiv.org/abs/2101.03697, tables 2 and 3. Names in the state dict and weights: PaddleClas (Apache-2.0).
"""

import copy
from functools import partial

import paddle
from paddle import nn

from ppcls.models.layers import Act, Add, BatchNorm, ConvNormAct, Flatten, GlobalAvgPool, Head, SqueezeExcite
from ppcls.models.layers.rep import Kernel, fused, identity_kernel, padded, scaled, with_kernel
from ppcls.models.model import Model
from ppcls.paddle_private import convolving

STAGE_CHANNELS = (64, 128, 256, 512)


class SE(SqueezeExcite):
    conv_names = ("down", "up")


class RepBlock(nn.Layer):
    """A 3x3 and a 1x1 convolution, and the identity where it fits, all added up; then a ReLU."""

    def __init__(self, in_channels: int, out_channels: int, *, stride: int, groups: int, use_se: bool) -> None:
        super().__init__()
        self.se = SE(out_channels, out_channels // 16, gate="sigmoid") if use_se else nn.Identity()
        self.rbr_identity = BatchNorm(in_channels) if in_channels == out_channels and stride == 1 else None
        self.rbr_dense = ConvNormAct(in_channels, out_channels, 3, stride=stride, groups=groups)
        self.sum, self.act = Add(), Act("relu")
        self.rbr_1x1 = ConvNormAct(in_channels, out_channels, 1, stride=stride, groups=groups)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        y = self.sum(self.rbr_dense(x), self.rbr_1x1(x))
        if self.rbr_identity is not None:
            y = self.sum(y, self.rbr_identity(x))
        return self.act(self.se(y))

    def fuse(self) -> "FusedBlock":
        """Return the block that computes the same in evaluation by one convolution."""
        dense = self.rbr_dense.convolution
        weight, bias = fused(dense, self.rbr_dense.norm)
        for other_weight, other_bias in self._others(dense):
            weight, bias = weight + padded(other_weight, 3), bias + other_bias
        return FusedBlock(with_kernel(dense, (weight, bias)), self.se)

    def _others(self, dense: nn.Conv2D) -> list[Kernel]:
        others = [fused(self.rbr_1x1.convolution, self.rbr_1x1.norm)]
        if self.rbr_identity is not None:
            others.append(
                scaled(identity_kernel(dense.weight.shape[0], convolving(dense).groups, 1), self.rbr_identity)
            )
        return others


class FusedBlock(nn.Layer):
    """A deployed RepBlock."""

    def __init__(self, conv: nn.Conv2D, se: nn.Layer) -> None:
        super().__init__()
        self.rbr_reparam, self.se, self.act = conv, se, Act("relu")

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.act(self.se(self.rbr_reparam(x)))


class RepVGG(Model):
    """`depths` and width factors of the four stages; every other layer has its convolutions in `groups` groups."""

    head_name = "linear"
    only_layers = True

    def __init__(
        self,
        depths: tuple[int, int, int, int],
        widths: tuple[float, float, float, float],
        groups: int = 1,
        use_se: bool = False,
        *,
        class_num: int = 1000,
    ) -> None:
        super().__init__()
        in_channels = min(64, int(64 * widths[0]))
        self.stage0 = RepBlock(3, in_channels, stride=2, groups=1, use_se=use_se)
        number = 1
        for stage, (depth, width) in enumerate(zip(depths, widths)):
            channels, blocks = int(STAGE_CHANNELS[stage] * width), []
            for index in range(depth):
                stride = 1 if index else 2
                block_groups = groups if number % 2 == 0 else 1
                blocks.append(RepBlock(in_channels, channels, stride=stride, groups=block_groups, use_se=use_se))
                in_channels, number = channels, number + 1
            self.add_sublayer(f"stage{stage + 1}", nn.Sequential(*blocks))
        self.gap = GlobalAvgPool()
        self.flatten = Flatten()
        self.num_features = in_channels
        self.linear = Head(in_channels, class_num)

    def features(self, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        x = self.stage0(self.operators.images(self, images_NCHW))
        for stage in (self.stage1, self.stage2, self.stage3, self.stage4):
            x = stage(x)
        return self.flatten(self.gap(x))

    def deployable(self) -> "RepVGG":
        deployed = copy.deepcopy(self)
        deployed.stage0 = self.stage0.fuse()
        for name in ("stage1", "stage2", "stage3", "stage4"):
            setattr(deployed, name, nn.Sequential(*(block.fuse() for block in getattr(self, name))))
        return deployed


A, B, D = (2, 4, 14, 1), (4, 6, 16, 1), (8, 14, 24, 1)

VARIANTS = {
    "RepVGG_A0": partial(RepVGG, A, (0.75, 0.75, 0.75, 2.5)),
    "RepVGG_A1": partial(RepVGG, A, (1.0, 1.0, 1.0, 2.5)),
    "RepVGG_A2": partial(RepVGG, A, (1.5, 1.5, 1.5, 2.75)),
    "RepVGG_B0": partial(RepVGG, B, (1.0, 1.0, 1.0, 2.5)),
    "RepVGG_B1": partial(RepVGG, B, (2.0, 2.0, 2.0, 4.0)),
    "RepVGG_B1g2": partial(RepVGG, B, (2.0, 2.0, 2.0, 4.0), 2),
    "RepVGG_B1g4": partial(RepVGG, B, (2.0, 2.0, 2.0, 4.0), 4),
    "RepVGG_B2": partial(RepVGG, B, (2.5, 2.5, 2.5, 5.0)),
    "RepVGG_B2g4": partial(RepVGG, B, (2.5, 2.5, 2.5, 5.0), 4),
    "RepVGG_B3": partial(RepVGG, B, (3.0, 3.0, 3.0, 5.0)),
    "RepVGG_B3g4": partial(RepVGG, B, (3.0, 3.0, 3.0, 5.0), 4),
    "RepVGG_D2se": partial(RepVGG, D, (2.5, 2.5, 2.5, 5.0), 1, True),
}
