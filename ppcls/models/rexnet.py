"""ReXNet: channels that grow linearly from block to block.

Source: https://arxiv.org/abs/2007.00992, table 1 and section 4.2. Names in the state dict and weights: PaddleClas
(Apache-2.0).
"""

from functools import partial

import paddle
from paddle import nn

from ppcls.models.chain import Chain
from ppcls.models.layers import Act, Activation, BatchNorm, ConvHead, Dropout, Flatten, GlobalAvgPool

# Number of blocks, stride of the first one, whether the channels are gated.
STAGES = ((1, 1, False), (2, 2, False), (2, 2, True), (3, 2, True), (3, 1, True), (5, 2, True))
NUM_BLOCKS = sum(depth for depth, *_ in STAGES)


class Gate(nn.Layer):
    """Squeeze-and-excitation with a batch norm inside."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = channels // 12
        self.avg_pool = GlobalAvgPool()
        self.fc = nn.Sequential(
            nn.Conv2D(channels, squeezed, 1),
            BatchNorm(squeezed),
            Act("relu"),
            nn.Conv2D(squeezed, channels, 1),
            Act("sigmoid"),
        )

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return x * self.fc(self.avg_pool(x))


def _conv(
    before: int, after: int, kernel_size: int = 1, *, stride: int = 1, groups: int = 1, act: Activation = "swish"
) -> list[nn.Layer]:
    conv = nn.Conv2D(
        before, after, kernel_size, stride=stride, padding=kernel_size // 2, groups=groups, bias_attr=False
    )
    return [conv, BatchNorm(after), Act(act)]


class Block(nn.Layer):
    """An inverted residual whose shortcut is added to the first of its channels."""

    def __init__(self, in_channels: int, out_channels: int, *, expansion: int, stride: int, use_se: bool) -> None:
        super().__init__()
        hidden = in_channels * expansion
        conv, norm, act = _conv(hidden, hidden, 3, stride=stride, groups=hidden, act="relu6")
        gate = [Gate(hidden)] if use_se else []
        widen = _conv(in_channels, hidden) if expansion > 1 else []
        self.out = nn.Sequential(*widen, conv, norm, *gate, act, *_conv(hidden, out_channels)[:-1])
        self.num_added = in_channels if stride == 1 and in_channels <= out_channels else 0

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        y = self.out(x)
        if not self.num_added:
            return y
        return paddle.concat([x + y[:, : self.num_added], y[:, self.num_added :]], axis=1)


class ReXNet(Chain):
    """`scale` multiplies all channels."""

    head_name = "output.1"

    def __init__(self, scale: float, *, class_num: int = 1000) -> None:
        super().__init__()
        channels = round(32 * scale)
        layers = _conv(3, channels, 3, stride=2)
        index = 0
        for depth, stride, use_se in STAGES:
            for repeat in range(depth):
                out_channels = round((16 + 180 / NUM_BLOCKS * index) * scale)
                block_stride = 1 if repeat else stride
                expansion = 6 if index else 1
                layers.append(Block(channels, out_channels, expansion=expansion, stride=block_stride, use_se=use_se))
                channels, index = out_channels, index + 1
        self.num_features = int(1280 * scale)
        # A sublayer alone: as an attribute, the name is the method's.
        self.add_sublayer("features", nn.Sequential(*layers, *_conv(channels, self.num_features), GlobalAvgPool()))
        self.flatten = Flatten()
        self.output = nn.Sequential(Dropout(0.2), ConvHead(self.num_features, class_num))


VARIANTS = {
    "ReXNet_1_0": partial(ReXNet, 1.0),
    "ReXNet_1_3": partial(ReXNet, 1.3),
    "ReXNet_1_5": partial(ReXNet, 1.5),
    "ReXNet_2_0": partial(ReXNet, 2.0),
    "ReXNet_3_0": partial(ReXNet, 3.0),
}
