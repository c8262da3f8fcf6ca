"""Wide ResNet: few and wide residual blocks, with norms before the convolutions, for images of 32 x 32 pixels.

Source: https://arxiv.org/abs/1605.07146, table 1. Names in the state dict: PaddleClas (Apache-2.0). As there, the first
blocks of the second and third stage convolve what comes in as it is, so that their first norms are there for nothing.
"""

from functools import partial

import paddle
from paddle import nn

from ppcls.models.chain import Chain
from ppcls.models.layers import Act, BatchNorm, Dropout, Flatten, GlobalAvgPool, Head

STEM_CHANNELS = 16


class Block(nn.Layer):
    """Two 3x3 convolutions with a norm and an activation before each, around a shortcut.

    `activates`: whether the first norm and activation are used; a projected shortcut comes after them.
    """

    def __init__(self, in_channels: int, channels: int, *, stride: int, dropout: float, activates: bool) -> None:
        super().__init__()
        self.activates, self.projects = activates, in_channels != channels
        self.bn1 = BatchNorm(in_channels, momentum=0.999)
        self.relu1 = Act("steep_leaky_relu")
        for parameter in self.bn1.parameters():
            parameter.stop_gradient = parameter.stop_gradient or not activates
        self.conv1 = nn.Conv2D(in_channels, channels, 3, stride=stride, padding=1, bias_attr=False)
        self.bn2 = BatchNorm(channels, momentum=0.999)
        self.relu2 = Act("steep_leaky_relu")
        self.dropout = Dropout(dropout)
        self.conv2 = nn.Conv2D(channels, channels, 3, padding=1, bias_attr=False)
        self.convShortcut = nn.Identity()
        if self.projects:
            self.convShortcut = nn.Conv2D(in_channels, channels, 1, stride=stride, bias_attr=False)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        activated = self.relu1(self.bn1(x)) if self.activates else x
        shortcut = self.convShortcut(activated) if self.projects else x
        return shortcut + self.conv2(self.dropout(self.relu2(self.bn2(self.conv1(activated)))))


class WideResNet(Chain):
    """`depth`: 4 and six times the blocks of a stage; `widen_factor` multiplies the channels of all stages."""

    stays = ("avg_pool", "flatten")

    def __init__(self, *, class_num: int = 10, depth: int = 28, widen_factor: int = 2, dropout: float = 0.0) -> None:
        if depth < 10 or depth % 6 != 4:
            raise ValueError(f"depth: must be 4 more than a multiple of 6; received {depth}; give 16, 22 or 28")
        super().__init__()
        self.conv1 = nn.Conv2D(3, STEM_CHANNELS, 3, padding=1, bias_attr=False)
        in_channels = STEM_CHANNELS
        for stage in range(3):
            channels = (STEM_CHANNELS * widen_factor) << stage
            blocks = nn.Sequential()
            for index in range(depth // 6):
                block = Block(
                    in_channels,
                    channels,
                    stride=2 if stage > 0 and index == 0 else 1,
                    dropout=dropout,
                    activates=stage == 0 or index > 0,
                )
                blocks.add_sublayer(str(index), block)
                in_channels = channels
            self.add_sublayer(f"block{stage + 1}", nn.Sequential(("layer", blocks)))
        self.bn1 = BatchNorm(in_channels, momentum=0.999)
        self.relu = Act("steep_leaky_relu")
        self.avg_pool = GlobalAvgPool()
        self.flatten = Flatten()
        self.num_features = in_channels
        self.fc = Head(in_channels, class_num)


VARIANTS = {"WideResNet": partial(WideResNet)}
