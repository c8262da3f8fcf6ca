"""SqueezeNet 1.0 and 1.1: fire modules.

Source: https://arxiv.org/abs/1602.07360, table 1; 1.1: the authors' github.com/forresti/SqueezeNet. Names in the state
dict and weights: PaddleClas (Apache-2.0).
"""

from functools import partial

import paddle
from paddle import nn

from ppcls.models.chain import Chain
from ppcls.models.layers import Act, ConvHead, Dropout, MaxPool, activate

# Channels after the 1x1 convolution of each fire module; eight times as many come out.
SQUEEZED = (16, 16, 32, 32, 48, 48, 64, 64)


def _conv(in_channels: int, out_channels: int, kernel_size: int) -> nn.Sequential:
    conv = nn.Conv2D(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
    return nn.Sequential(("_conv", conv), ("_act", Act("relu")))


class Fire(nn.Layer):
    """A 1x1 convolution to few channels; a 1x1 and a 3x3 one of its result."""

    def __init__(self, in_channels: int, squeezed: int) -> None:
        super().__init__()
        self._conv = _conv(in_channels, squeezed, 1)
        self._conv_path1 = _conv(squeezed, 4 * squeezed, 1)
        self._conv_path2 = _conv(squeezed, 4 * squeezed, 3)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = self._conv(x)
        return paddle.concat([self._conv_path1(x), self._conv_path2(x)], axis=1)


class SqueezeNet(Chain):
    """The head classifies each pixel, and a ReLU and an average over the image follow.

    `pooled`: the fire modules, counted from 1, before which the image is halved.
    """

    head_name = "_conv9"
    num_features = 512

    def __init__(
        self, stem_channels: int, stem_kernel: int, padding: int, pooled: tuple[int, int], *, class_num: int = 1000
    ) -> None:
        super().__init__()
        channels = stem_channels
        self._conv = nn.Conv2D(3, channels, stem_kernel, stride=2, padding=padding)
        self._act = Act("relu")
        self._pool = MaxPool(3, stride=2)
        for number, squeezed in enumerate(SQUEEZED, start=1):
            if number in pooled:
                self.add_sublayer(f"_pool{number}", MaxPool(3, stride=2))
            self.add_sublayer(f"_conv{number}", Fire(channels, squeezed))
            channels = 8 * squeezed
        self._drop = Dropout(0.5, scale_in_evaluation=True)
        self._conv9 = ConvHead(channels, class_num)

    def features(self, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        return super().features(images_NCHW).mean([2, 3])

    def forward(self, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        scores = activate("relu", self._conv9(super().features(images_NCHW)))
        return scores.mean([2, 3])


VARIANTS = {
    "SqueezeNet1_1": partial(SqueezeNet, 64, 3, 1, (3, 5)),
    "SqueezeNet1_0": partial(SqueezeNet, 96, 7, 0, (4, 8)),
}
