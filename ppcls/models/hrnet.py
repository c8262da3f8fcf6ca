"""HRNet: streams of several resolutions side by side, which exchange what they know again and again.

Source: https://arxiv.org/abs/1908.07919, sections 3 and 4.3 (classification). Names in the state dict and weights:
PaddleClas (Apache-2.0).
"""

from functools import partial

import paddle
import paddle.nn.functional as F
from paddle import nn

from ppcls.models.layers import ConvNormAct, GlobalAvgPool, Head, LinearSqueezeExcite, activate
from ppcls.models.model import Model

REDUCTION = 16
# Exchanges in the stages of two, three and four streams, and blocks of a stream between them.
NUM_EXCHANGES = (1, 4, 3)
NUM_BLOCKS = 4
# Channels within the bottlenecks that follow the four streams.
LAST_CHANNELS = (32, 64, 128, 256)


class SqueezeExcite(LinearSqueezeExcite):
    layer_names = ("fc_squeeze", "fc_excitation")


class Block(nn.Layer):
    """Two 3x3 convolutions, or with `bottleneck` 1x1, 3x3 and 1x1 to four times the channels, around a shortcut."""

    def __init__(self, in_channels: int, channels: int, *, bottleneck: bool, use_se: bool) -> None:
        super().__init__()
        out_channels = 4 * channels if bottleneck else channels
        conv = ConvNormAct
        if bottleneck:
            self.conv1 = conv(in_channels, channels, 1, act="relu")
            self.conv2 = conv(channels, channels, 3, act="relu")
            self.conv3 = conv(channels, out_channels, 1)
        else:
            self.conv1 = conv(in_channels, channels, 3, act="relu")
            self.conv2 = conv(channels, channels, 3)
            self.conv3 = nn.Identity()
        self.conv_down = nn.Identity() if in_channels == out_channels else conv(in_channels, out_channels, 1)
        self.se = SqueezeExcite(out_channels, out_channels // REDUCTION) if use_se else nn.Identity()

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return activate("relu", self.se(self.conv3(self.conv2(self.conv1(x)))) + self.conv_down(x))


class Exchange(nn.Layer):
    """Each stream takes in all others: wider ones by strided convolutions, narrower ones enlarged (nearest)."""

    def __init__(self, channels: list[int]) -> None:
        super().__init__()
        self.residual_func_list = nn.LayerList()
        for to, to_channels in enumerate(channels):
            for source, width in enumerate(channels):
                if source > to:
                    self.residual_func_list.append(ConvNormAct(width, to_channels, 1))
                for _ in range(to - source - 1):
                    self.residual_func_list.append(ConvNormAct(width, width, 3, stride=2, act="relu"))
                if source < to:
                    self.residual_func_list.append(ConvNormAct(width, to_channels, 3, stride=2))

    def forward(self, streams: list[paddle.Tensor]) -> list[paddle.Tensor]:
        convs = iter(self.residual_func_list)
        results = []
        for to, result in enumerate(streams):
            for source, x in enumerate(streams):
                for _ in range(to - source if source < to else int(source > to)):
                    x = next(convs)(x)
                if source > to:
                    x = F.interpolate(x, size=result.shape[2:], mode="nearest")
                result = result if source == to else result + x
            results.append(activate("relu", result))
        return results


class Module(nn.Layer):
    """Blocks in each stream, and an exchange."""

    def __init__(self, channels: list[int], *, use_se: bool) -> None:
        super().__init__()
        self.basic_block_list = nn.LayerList()
        for width in channels:
            blocks = [Block(width, width, bottleneck=False, use_se=use_se) for _ in range(NUM_BLOCKS)]
            self.basic_block_list.append(nn.Sequential(*blocks))
        self.fuse_func = Exchange(channels)

    def forward(self, streams: list[paddle.Tensor]) -> list[paddle.Tensor]:
        fused: list[paddle.Tensor] = self.fuse_func([blocks(x) for blocks, x in zip(self.basic_block_list, streams)])
        return fused


class Stage(nn.Layer):
    """Modules of as many streams."""

    def __init__(self, channels: list[int], num_modules: int, *, use_se: bool) -> None:
        super().__init__()
        self.stage_func_list = nn.LayerList([Module(channels, use_se=use_se) for _ in range(num_modules)])

    def forward(self, streams: list[paddle.Tensor]) -> list[paddle.Tensor]:
        for module in self.stage_func_list:
            streams = module(streams)
        return streams


class LastBlocks(nn.Layer):
    """A bottleneck for each stream."""

    def __init__(self, channels: list[int], *, use_se: bool) -> None:
        super().__init__()
        self.func_list = nn.LayerList(
            [Block(width, inner, bottleneck=True, use_se=use_se) for width, inner in zip(channels, LAST_CHANNELS)]
        )

    def forward(self, streams: list[paddle.Tensor]) -> list[paddle.Tensor]:
        return [block(x) for block, x in zip(self.func_list, streams)]


class HRNet(Model):
    """`width`: channels of the largest stream; each other one has half the size and twice the channels.

    Height and width of images are multiples of 32.
    """

    num_features = 2048

    def __init__(self, width: int, use_se: bool = False, *, class_num: int = 1000) -> None:
        super().__init__()
        conv = partial(ConvNormAct, act="relu")
        channels = [width << stream for stream in range(4)]
        self.conv_layer1_1 = conv(3, 64, 3, stride=2)
        self.conv_layer1_2 = conv(64, 64, 3, stride=2)
        self.layer1 = nn.Sequential(
            *(Block(256 if index else 64, 64, bottleneck=True, use_se=use_se) for index in range(NUM_BLOCKS))
        )
        self.conv_tr1_1 = conv(256, channels[0], 3)
        self.conv_tr1_2 = conv(256, channels[1], 3, stride=2)
        self.st2 = Stage(channels[:2], NUM_EXCHANGES[0], use_se=use_se)
        self.conv_tr2 = conv(channels[1], channels[2], 3, stride=2)
        self.st3 = Stage(channels[:3], NUM_EXCHANGES[1], use_se=use_se)
        self.conv_tr3 = conv(channels[2], channels[3], 3, stride=2)
        self.st4 = Stage(channels, NUM_EXCHANGES[2], use_se=use_se)
        self.last_cls = LastBlocks(channels, use_se=use_se)
        self.cls_head_conv_list = nn.LayerList(
            [conv(4 * inner, 8 * inner, 3, stride=2) for inner in LAST_CHANNELS[:-1]]
        )
        self.conv_last = conv(4 * LAST_CHANNELS[-1], self.num_features, 1)
        self.avg_pool = GlobalAvgPool()
        self.flatten = nn.Flatten()
        self.fc = Head(self.num_features, class_num)

    def features(self, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        x = self.layer1(self.conv_layer1_2(self.conv_layer1_1(images_NCHW)))
        streams = self.st2([self.conv_tr1_1(x), self.conv_tr1_2(x)])
        streams = self.st3([*streams, self.conv_tr2(streams[-1])])
        streams = self.st4([*streams, self.conv_tr3(streams[-1])])
        x, *smaller = self.last_cls(streams)
        for halve, beside in zip(self.cls_head_conv_list, smaller):
            x = halve(x) + beside
        return self.flatten(self.avg_pool(self.conv_last(x)))


VARIANTS = {
    **{f"HRNet_W{width}_C": partial(HRNet, width) for width in (18, 30, 32, 40, 44, 48, 60, 64)},
    "SE_HRNet_W64_C": partial(HRNet, 64, True),
}
