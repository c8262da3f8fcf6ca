"""CSPDarkNet53: DarkNet53 whose stages take half of the channels through their blocks and the other half beside them.

Source: https://arxiv.org/abs/1911.11929, figure 2b. Names in the state dict and weights: PaddleClas (Apache-2.0).
"""

from functools import partial

import paddle
from paddle import nn

from ppcls.models.chain import Chain
from ppcls.models.layers import ConvNormAct, Flatten, GlobalAvgPool, Head, Residual

DEPTHS = (1, 2, 8, 8, 4)


class CrossStage(nn.Layer):
    """Halve the image, split `split` channels in two, and join them again after the blocks of the second half."""

    def __init__(self, in_channels: int, out_channels: int, depth: int, *, split: int, inner: int) -> None:
        super().__init__()
        conv = partial(ConvNormAct, act="leaky_relu")
        half = split // 2
        self.conv_down = conv(in_channels, out_channels, 3, stride=2)
        self.conv_exp = conv(out_channels, split, 1)
        self.blocks = nn.Sequential(
            *(
                Residual({"conv1": conv(half, inner, 1), "conv2": conv(inner, half, 3)}, shortcut=True)
                for _ in range(depth)
            )
        )
        self.conv_transition_b = conv(half, half, 1)
        self.conv_transition = conv(split, out_channels, 1)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        beside, x = self.conv_exp(self.conv_down(x)).chunk(2, axis=1)
        return self.conv_transition(paddle.concat([beside, self.conv_transition_b(self.blocks(x))], axis=1))


class CSPDarkNet53(Chain):
    """Images of 256 x 256 pixels as trained."""

    num_features = 1024

    def __init__(self, *, class_num: int = 1000) -> None:
        super().__init__()
        self.stem = nn.Sequential(("conv1", ConvNormAct(3, 32, 3, act="leaky_relu")))
        stages = [CrossStage(32, 64, DEPTHS[0], split=128, inner=32)]
        for stage, depth in enumerate(DEPTHS[1:]):
            channels = 64 << stage
            stages.append(CrossStage(channels, 2 * channels, depth, split=2 * channels, inner=channels))
        self.stages = nn.Sequential(*stages)
        self.pool = GlobalAvgPool()
        self.flatten = Flatten()
        self.fc = Head(self.num_features, class_num)


VARIANTS = {"CSPDarkNet53": partial(CSPDarkNet53)}
