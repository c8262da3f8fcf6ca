"""RedNet: ResNet with involutions, kernels of each pixel that its channels share, instead of 3x3 convolutions.

Source: https://arxiv.org/abs/2103.06255, section 3. Names in the state dict and weights: PaddleClas (Apache-2.0).
"""

from functools import partial

import paddle
import paddle.nn.functional as F
from paddle import nn

from ppcls.models.chain import Chain
from ppcls.models.layers import Act, AvgPool, BatchNorm, ConvNormAct, Flatten, GlobalAvgPool, Head, MaxPool, activate

REDUCTION = 4
# Channels that share a kernel.
GROUP_CHANNELS = 16


class Involution(nn.Layer):
    """Weigh the pixels around each pixel by a kernel that is computed from it."""

    def __init__(self, channels: int, kernel_size: int, stride: int = 1) -> None:
        super().__init__()
        self.channels, self.kernel_size, self.stride = channels, kernel_size, stride
        self.num_groups = channels // GROUP_CHANNELS
        reduced = channels // REDUCTION
        self.avgpool = AvgPool(stride, stride=stride) if stride > 1 else nn.Identity()
        self.conv1 = ConvNormAct(channels, reduced, 1, act="relu")
        self.conv2 = nn.Sequential(("conv", nn.Conv2D(reduced, kernel_size**2 * self.num_groups, 1)))

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        kernels = self.conv2(self.conv1(self.avgpool(x)))
        height, width = kernels.shape[2:]
        pixels = F.unfold(x, self.kernel_size, self.stride, self.kernel_size // 2)
        pixels = pixels.reshape([0, self.num_groups, GROUP_CHANNELS, self.kernel_size**2, -1])
        kernels = kernels.reshape([0, self.num_groups, 1, self.kernel_size**2, -1])
        return (kernels * pixels).sum(3).reshape([-1, self.channels, height, width])


class Block(nn.Layer):
    """A 1x1 convolution, an involution and a 1x1 convolution, around a shortcut."""

    def __init__(self, in_channels: int, channels: int, *, stride: int) -> None:
        super().__init__()
        out_channels = 4 * channels
        self.conv1 = nn.Conv2D(in_channels, channels, 1, bias_attr=False)
        self.bn1 = BatchNorm(channels)
        self.conv2 = Involution(channels, 7, stride)
        self.bn2 = BatchNorm(channels)
        self.conv3 = nn.Conv2D(channels, out_channels, 1, bias_attr=False)
        self.bn3 = BatchNorm(out_channels)
        self.downsample = nn.Identity()
        if in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2D(in_channels, out_channels, 1, stride=stride, bias_attr=False), BatchNorm(out_channels)
            )

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        y = activate("relu", self.bn1(self.conv1(x)))
        y = activate("relu", self.bn2(self.conv2(y)))
        return activate("relu", self.bn3(self.conv3(y)) + self.downsample(x))


class RedNet(Chain):
    """Height and width of images are multiples of 32."""

    def __init__(self, depths: tuple[int, int, int, int], *, class_num: int = 1000) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            ConvNormAct(3, 32, 3, stride=2, act="relu"),
            Involution(32, 3),
            BatchNorm(32),
            Act("relu"),
            ConvNormAct(32, 64, 3, act="relu"),
        )
        self.maxpool = MaxPool(3, stride=2, padding=1)
        in_channels = 64
        for stage, depth in enumerate(depths):
            blocks = nn.Sequential()
            for index in range(depth):
                stride = 2 if stage > 0 and index == 0 else 1
                blocks.add_sublayer(str(index), Block(in_channels, 64 << stage, stride=stride))
                in_channels = 256 << stage
            self.add_sublayer(f"layer{stage + 1}", blocks)
        self.avgpool = GlobalAvgPool()
        self.flatten = Flatten()
        self.num_features = in_channels
        self.fc = Head(in_channels, class_num)


VARIANTS = {
    "RedNet26": partial(RedNet, (1, 2, 4, 1)),
    "RedNet38": partial(RedNet, (2, 3, 5, 2)),
    "RedNet50": partial(RedNet, (3, 4, 6, 3)),
    "RedNet101": partial(RedNet, (3, 4, 23, 3)),
    "RedNet152": partial(RedNet, (3, 8, 36, 3)),
}
