"""GoogLeNet: convolutions of several sizes side by side, and two auxiliary heads in training.

Source: https://arxiv.org/abs/1409.4842, table 1. Names in the state dict and weights: PaddleClas (Apache-2.0), whose
form has a ReLU after each concatenation alone.
"""

import copy
from functools import partial

import paddle
from paddle import nn

from ppcls.models.layers import AvgPool, Dropout, Flatten, Head, Linear, MaxPool, activate
from ppcls.models.model import Model, Outputs

# Channels: 1x1; 3x3 and before it; 5x5 and before it; after the pool. By the name of the block.
BLOCKS = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


class Conv(nn.Layer):
    """A convolution alone."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, *, stride: int = 1) -> None:
        super().__init__()
        padding = (kernel_size - 1) // 2
        self._conv = nn.Conv2D(in_channels, out_channels, kernel_size, stride=stride, padding=padding, bias_attr=False)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self._conv(x)


class Inception(nn.Layer):
    """Four branches side by side, concatenated."""

    def __init__(self, in_channels: int, channels: tuple[int, ...]) -> None:
        super().__init__()
        one, before_three, three, before_five, five, pooled = channels
        self._conv1 = Conv(in_channels, one, 1)
        self._conv3r = Conv(in_channels, before_three, 1)
        self._conv3 = Conv(before_three, three, 3)
        self._conv5r = Conv(in_channels, before_five, 1)
        self._conv5 = Conv(before_five, five, 5)
        self._pool = MaxPool(3, stride=1, padding=1)
        self._convprj = Conv(in_channels, pooled, 1)
        self.out_channels = one + three + five + pooled

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        branches = [
            self._conv1(x),
            self._conv3(self._conv3r(x)),
            self._conv5(self._conv5r(x)),
            self._convprj(self._pool(x)),
        ]
        return activate("relu", paddle.concat(branches, axis=1))


class GoogLeNet(Model):
    """Images of 224 x 224 pixels. In training also "aux_0" and "aux_1", of heads after blocks 4a and 4d."""

    head_name = "_fc_out"
    num_features = 1024

    def __init__(self, *, class_num: int = 1000) -> None:
        super().__init__()
        self._conv = Conv(3, 64, 7, stride=2)
        self._pool = MaxPool(3, stride=2)
        self._conv_1 = Conv(64, 64, 1)
        self._conv_2 = Conv(64, 192, 3)
        in_channels = 192
        for name, channels in BLOCKS.items():
            block = Inception(in_channels, channels)
            self.add_sublayer(f"_ince{name}", block)
            in_channels = block.out_channels
        self._pool_5 = AvgPool(7, stride=7)
        self._drop = Dropout(0.4, scale_in_evaluation=True)
        self.flatten = Flatten()
        self._fc_out = Head(1024, class_num)
        self._pool_o = AvgPool(5, stride=3)
        self._drop_o = Dropout(0.7, scale_in_evaluation=True)
        self._conv_o1, self._conv_o2 = Conv(512, 128, 1), Conv(528, 128, 1)
        self._fc_o1, self._fc_o2 = Linear(1152, 1024), Linear(1152, 1024)
        self._out1, self._out2 = Head(1024, class_num), Head(1024, class_num)

    def features(self, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        return self._features(images_NCHW)[0]

    def _features(self, images_NCHW: paddle.Tensor) -> tuple[paddle.Tensor, dict[str, paddle.Tensor]]:
        """Return what the head takes, and what the auxiliary heads take by the name of the block."""
        x = self._pool(self._conv_2(self._conv_1(self._pool(self._conv(images_NCHW)))))
        of_block = {}
        for name in BLOCKS:
            x = of_block[name] = getattr(self, f"_ince{name}")(x)
            if name in ("3b", "4e"):
                x = self._pool(x)
        return self.flatten(self._drop(self._pool_5(x))), of_block

    def forward(self, images_NCHW: paddle.Tensor) -> Outputs:
        features, of_block = self._features(images_NCHW)
        logits = self.get_head()(features)
        if not self.training:
            return logits
        first = activate("relu", self._fc_o1(self.flatten(self._conv_o1(self._pool_o(of_block["4a"])))))
        second = self._fc_o2(self.flatten(self._conv_o2(self._pool_o(of_block["4d"]))))
        aux = {"aux_0": self._out1(self._drop_o(first)), "aux_1": self._out2(self._drop_o(second))}
        return {"logits": logits, **aux}

    def reset_head(self, class_num: int) -> None:
        super().reset_head(class_num)
        self._out1, self._out2 = Head(1024, class_num), Head(1024, class_num)

    def deployable(self) -> "GoogLeNet":
        deployed = copy.deepcopy(self)
        for number in (1, 2):
            for part in ("_conv_o", "_fc_o", "_out"):
                delattr(deployed, f"{part}{number}")
        return deployed


VARIANTS = {"GoogLeNet": partial(GoogLeNet)}
