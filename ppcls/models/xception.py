"""Xception: separable convolutions, in three flows.

Source: https://arxiv.org/abs/1610.02357, figure 5; the larger ones: https://arxiv.org/abs/1706.05587. Names in the
state dict and weights: PaddleClas (Apache-2.0). As there, a separable convolution computes its 1x1 convolution first.
"""

from collections.abc import Mapping
from functools import partial
from typing import Optional

import paddle
from paddle import nn

from ppcls.models.chain import Chain
from ppcls.models.layers import Act, GlobalAvgPool, Head, MaxPool, UnderscoreConvNormAct, activate

MIDDLE_CHANNELS = 728


class Block(nn.Layer):
    """Layers with a ReLU before each, whose (pooled) result is added to a shortcut."""

    def __init__(
        self,
        path: Mapping[str, nn.Layer],
        *,
        shortcut: Optional[nn.Layer] = None,
        pool: Optional[nn.Layer] = None,
        relu_first: bool = True,
    ) -> None:
        super().__init__()
        for name, layer in path.items():
            self.add_sublayer(name, layer)
        self.path, self.relu_first = tuple(path), relu_first
        self._short = shortcut or nn.Identity()
        self._pool = pool or nn.Identity()

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        y = x
        for index, name in enumerate(self.path):
            y = getattr(self, name)(activate("relu", y) if index or self.relu_first else y)
        return self._short(x) + self._pool(y)


def separable(in_channels: int, out_channels: int) -> nn.Sequential:
    """Return a 1x1 and a depthwise convolution."""
    return nn.Sequential(
        ("_pointwise_conv", UnderscoreConvNormAct(in_channels, out_channels, 1)),
        ("_depthwise_conv", UnderscoreConvNormAct(out_channels, out_channels, 3, groups=out_channels)),
    )


def pooled(path: Mapping[str, nn.Layer], in_channels: int, out_channels: int, stride: int, relu_first: bool) -> Block:
    """Return a block that ends in a pool."""
    return Block(
        path,
        shortcut=nn.Conv2D(in_channels, out_channels, 1, stride=stride, bias_attr=False),
        pool=MaxPool(3, stride=stride, padding=1),
        relu_first=relu_first,
    )


class Xception(Chain):
    """`entry`: channels and stride of the blocks of the entry flow; `depth`: of the middle flow."""

    head_name = "_exit_flow._out"
    num_features = 2048

    def __init__(self, entry: tuple[tuple[int, int], ...], depth: int, *, class_num: int = 1000) -> None:
        super().__init__()
        self._entry_flow = nn.Sequential(
            ("_conv1", UnderscoreConvNormAct(3, 32, 3, stride=2, act="relu")),
            ("_conv2", UnderscoreConvNormAct(32, 64, 3, act="relu")),
        )
        channels = 64
        for index, (width, stride) in enumerate(entry):
            path = {"_conv1": separable(channels, width), "_conv2": separable(width, width)}
            block = pooled(path, channels, width, stride, relu_first=index > 0)
            self._entry_flow.add_sublayer(f"_conv_{index}", block)
            channels = width
        self._middle_flow = nn.Sequential(*((f"_conv_{index}", self._middle_block(channels)) for index in range(depth)))
        path = {"_conv_1": separable(channels, channels), "_conv_2": separable(channels, 1024)}
        self._exit_flow = nn.Sequential(
            ("_conv_0", pooled(path, channels, 1024, stride=2, relu_first=True)),
            ("_conv_1", separable(1024, 1536)),
            ("relu_1", Act("relu")),
            ("_conv_2", separable(1536, self.num_features)),
            ("relu_2", Act("relu")),
            ("_pool", GlobalAvgPool()),
            ("flatten", nn.Flatten()),
            ("_out", Head(self.num_features, class_num)),
        )

    @staticmethod
    def _middle_block(channels: int) -> Block:
        return Block({f"_conv_{index}": separable(channels, channels) for index in range(3)})


THREE = ((128, 2), (256, 2), (728, 2))
FIVE = ((128, 2), (256, 1), (256, 2), (728, 1), (728, 2))

VARIANTS = {
    "Xception41": partial(Xception, THREE, 8),
    "Xception65": partial(Xception, THREE, 16),
    "Xception71": partial(Xception, FIVE, 16),
}
