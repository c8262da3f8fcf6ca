"""AlexNet, in the form with one column.

Source: https://arxiv.org/abs/1404.5997, section 1. Names in the state dict and weights: PaddleClas (Apache-2.0).
"""

from functools import partial

import paddle
from paddle import nn

from ppcls.models.layers import Dropout, Flatten, Head, MaxPool, UniformLinear, activate
from ppcls.models.model import Model

HIDDEN = 4096


class PooledConv(nn.Layer):
    """A convolution, a ReLU and a pool."""

    def __init__(self, in_channels: int, channels: int, kernel_size: int, *, stride: int = 1, padding: int) -> None:
        super().__init__()
        self._conv = nn.Conv2D(in_channels, channels, kernel_size, stride=stride, padding=padding)
        self._pool = MaxPool(3, stride=2)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self._pool(activate("relu", self._conv(x)))


class AlexNet(Model):
    """Images of 224 x 224 pixels."""

    head_name = "_fc8"
    num_features = HIDDEN

    def __init__(self, *, class_num: int = 1000) -> None:
        super().__init__()
        self._conv1 = PooledConv(3, 64, 11, stride=4, padding=2)
        self._conv2 = PooledConv(64, 192, 5, padding=2)
        self._conv3 = nn.Conv2D(192, 384, 3, padding=1)
        self._conv4 = nn.Conv2D(384, 256, 3, padding=1)
        self._conv5 = PooledConv(256, 256, 3, padding=1)
        self.flatten = Flatten()
        self.dropout = Dropout(0.5, scale_in_evaluation=True)
        self._fc6 = UniformLinear(256 * 6 * 6, HIDDEN)
        self._fc7 = UniformLinear(HIDDEN, HIDDEN)
        self._fc8 = Head(HIDDEN, class_num)

    def features(self, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        x = self._conv2(self._conv1(images_NCHW))
        x = activate("relu", self._conv4(activate("relu", self._conv3(x))))
        x = self.flatten(self._conv5(x))
        for layer in (self._fc6, self._fc7):
            x = activate("relu", layer(self.dropout(x)))
        return x


VARIANTS = {"AlexNet": partial(AlexNet)}
