"""DarkNet53: residual blocks of a 1x1 and a 3x3 convolution, and strided convolutions between the stages.

Source: https://arxiv.org/abs/1804.02767, table 1. Names in the state dict and weights: PaddleClas (Apache-2.0). As
there, the activation is ReLU.
"""

from functools import partial

from paddle import nn

from ppcls.models.chain import Chain
from ppcls.models.layers import GlobalAvgPool, Head, Residual, UnderscoreConvBN

DEPTHS = (1, 2, 8, 8, 4)


class DarkNet53(Chain):
    """Images of 256 x 256 pixels as trained."""

    head_name = "_out"
    num_features = 1024

    def __init__(self, *, class_num: int = 1000) -> None:
        super().__init__()
        conv = partial(UnderscoreConvBN, act="relu")
        self._conv1 = conv(3, 32, 3)
        self._conv2 = conv(32, 64, 3, stride=2)
        for stage, depth in enumerate(DEPTHS):
            channels = 64 << stage
            for number in range(1, depth + 1):
                path = {"_conv1": conv(channels, channels // 2, 1), "_conv2": conv(channels // 2, channels, 3)}
                self.add_sublayer(f"_basic_block_{stage}{number}", Residual(path, shortcut=True))
            if stage < len(DEPTHS) - 1:
                self.add_sublayer(f"_downsample_{stage}", conv(channels, 2 * channels, 3, stride=2))
        self._pool = GlobalAvgPool()
        self.flatten = nn.Flatten()
        self._out = Head(self.num_features, class_num)


VARIANTS = {"DarkNet53": partial(DarkNet53)}
