"""HarDNet: dense blocks whose layers take in only those that are a power of two before them.

Source: https://arxiv.org/abs/1909.00948, section 3 and table 1. Names in the state dict and weights: PaddleClas
(Apache-2.0).
"""

from functools import partial
from typing import Callable

import paddle
from paddle import nn

from ppcls.models.chain import Chain
from ppcls.models.layers import Dropout, Flatten, GlobalAvgPool, Head, MaxPool, NormConvNormAct

# Layers of a block, channels that its first layer has, those of the 1x1 convolution after it, and whether the image is
# halved then.
Stage = tuple[int, int, int, bool]

conv = partial(NormConvNormAct, act="relu6")


class DepthwiseConvNorm(NormConvNormAct):
    conv_name = "dwconv"

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__(channels, channels, 3, stride=stride, groups=channels)


def plain(in_channels: int, out_channels: int) -> nn.Layer:
    """Return a 3x3 convolution."""
    return conv(in_channels, out_channels, 3)


def separable(in_channels: int, out_channels: int) -> nn.Layer:
    """Return a 1x1 and a depthwise convolution."""
    return nn.Sequential(
        ("layer1", conv(in_channels, out_channels, 1)), ("layer2", DepthwiseConvNorm(out_channels, stride=1))
    )


class HarmonicBlock(nn.Layer):
    """Layer k takes in the results of the layers k - 2 ** n for each 2 ** n that divides k; 0 is the block's input.

    It has `growth` channels, times `factor` for each n above 0. Layers of odd numbers and the last one come out.
    """

    def __init__(
        self, in_channels: int, depth: int, growth: int, factor: float, layer: Callable[[int, int], nn.Layer]
    ) -> None:
        super().__init__()
        self.links, self.layers, widths = [], nn.LayerList(), [in_channels]
        for number in range(1, depth + 1):
            links = [number - 2**n for n in range(number.bit_length()) if number % 2**n == 0]
            width = int(growth * factor ** (len(links) - 1) + 1) // 2 * 2
            self.layers.append(layer(sum(widths[link] for link in links), width))
            self.links.append(links)
            widths.append(width)
        self.outputs = [number for number in range(1, depth + 1) if number % 2 == 1 or number == depth]
        self.out_channels = sum(widths[number] for number in self.outputs)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        results = [x]
        for layer, links in zip(self.layers, self.links):
            results.append(layer(paddle.concat([results[link] for link in links], axis=1)))
        return paddle.concat([results[number] for number in self.outputs], axis=1)


class HarDNet(Chain):
    """`stem`: channels of the first two convolutions; with `depthwise` all others that are 3x3 are depthwise.

    `dropout` before the head; `inner_dropout` before the last 1x1 convolution.
    """

    def __init__(
        self,
        stem: tuple[int, int],
        stages: tuple[Stage, ...],
        factor: float,
        depthwise: bool,
        dropout: float,
        inner_dropout: float = 0.0,
        *,
        class_num: int = 1000,
    ) -> None:
        super().__init__()
        channels = stem[1]
        halve = DepthwiseConvNorm(channels, stride=2) if depthwise else MaxPool(3, stride=2, padding=1)
        layers = [conv(3, stem[0], 3, stride=2), conv(stem[0], channels, 1 if depthwise else 3), halve]
        for stage, (depth, growth, width, halves) in enumerate(stages, start=1):
            block = HarmonicBlock(channels, depth, growth, factor, separable if depthwise else plain)
            layers.append(block)
            if inner_dropout and stage == len(stages):
                layers.append(Dropout(inner_dropout))
            layers.append(conv(block.out_channels, width, 1))
            if halves:
                layers.append(DepthwiseConvNorm(width, stride=2) if depthwise else MaxPool(2, stride=2))
            channels = width
        self.num_features = channels
        self.head_name = f"base.{len(layers)}.3"
        end = nn.Sequential(GlobalAvgPool(), Flatten(), Dropout(dropout), Head(channels, class_num))
        self.base = nn.Sequential(*layers, end)


STAGES_39 = ((4, 16, 96, True), (16, 20, 320, True), (8, 64, 640, True), (4, 160, 1024, False))
STAGES_68 = (
    (8, 14, 128, True),
    (16, 16, 256, False),
    (16, 20, 320, True),
    (16, 40, 640, True),
    (4, 160, 1024, False),
)
STAGES_85 = (
    (8, 24, 192, True),
    (16, 24, 256, False),
    (16, 28, 320, True),
    (16, 36, 480, False),
    (16, 48, 720, True),
    (4, 256, 1280, False),
)

VARIANTS = {
    "HarDNet39_ds": partial(HarDNet, (24, 48), STAGES_39, 1.6, True, 0.05),
    "HarDNet68_ds": partial(HarDNet, (32, 64), STAGES_68, 1.7, True, 0.05),
    "HarDNet68": partial(HarDNet, (32, 64), STAGES_68, 1.7, False, 0.1),
    "HarDNet85": partial(HarDNet, (48, 96), STAGES_85, 1.7, False, 0.2, 0.1),
}
