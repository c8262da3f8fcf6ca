"""VGG. Source: https://arxiv.org/abs/1409.1556, table 1. Names and weights: PaddleClas (Apache-2.0)."""

from functools import partial

import paddle
from paddle import nn

from ppcls.models.layers import Act, Conv2D, Dropout, Flatten, Head, Linear, MaxPool
from ppcls.models.model import Model

STAGE_CHANNELS = (64, 128, 256, 512, 512)
HIDDEN, MAP_SIDE = 4096, 7


class ConvBlock(nn.Layer):
    """Some 3x3 convolutions, each with a ReLU, and a pool that halves the image."""

    def __init__(self, in_channels: int, channels: int, num_convs: int) -> None:
        super().__init__()
        self.conv_names = [f"conv{index + 1}" for index in range(num_convs)]
        for name in self.conv_names:
            self.add_sublayer(name, Conv2D(in_channels, channels, 3, padding=1, bias_attr=False))
            in_channels = channels
        self.act = Act("relu")
        self.max_pool = MaxPool(2, stride=2)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        for name in self.conv_names:
            x = getattr(self, name)(x)
            x = self.act(x)  # on a line of its own, so that what the convolution took is gone by now
        return self.max_pool(x)


class SigmoidLinear(nn.Layer):
    """A linear layer and a sigmoid, for codes of bits (retrieval by hashing)."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.origin_layer = Linear(in_features, out_features)
        self.act = Act("sigmoid")

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.act(self.origin_layer(x))


class VGG(Model):
    """Images of 224 x 224 pixels. `depths`: convolutions of each block. `use_sigmoid`: after the second linear layer.

    `stop_grad_layers`: so many of the first blocks are not trained.
    """

    head_name = "fc3"
    only_layers = True
    num_features = HIDDEN

    def __init__(
        self,
        depths: tuple[int, int, int, int, int],
        use_sigmoid: bool = False,
        *,
        class_num: int = 1000,
        stop_grad_layers: int = 0,
    ) -> None:
        super().__init__()
        if not 0 <= stop_grad_layers <= len(depths):
            raise ValueError(f"stop_grad_layers: must be 0 to {len(depths)}; received {stop_grad_layers}")
        self.block_names = [f"conv_block_{stage + 1}" for stage in range(len(depths))]
        in_channels = 3
        for name, channels, num_convs in zip(self.block_names, STAGE_CHANNELS, depths):
            self.add_sublayer(name, ConvBlock(in_channels, channels, num_convs))
            in_channels = channels
        for name in self.block_names[:stop_grad_layers]:
            for parameter in getattr(self, name).parameters():
                parameter.stop_gradient = True
        self.flatten = Flatten()
        self.fc1 = Linear(in_channels * 7 * 7, HIDDEN)
        self.fc2 = SigmoidLinear(HIDDEN, HIDDEN) if use_sigmoid else Linear(HIDDEN, HIDDEN)
        self.fc3 = Head(HIDDEN, class_num)
        self.act = Act("relu")
        self.dropout = Dropout(0.5, scale_in_evaluation=True)

    def features(self, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        x = self.operators.images(self, images_NCHW)
        for name in self.block_names:
            x = getattr(self, name)(x)
        if x.shape.count(MAP_SIDE) < 2:
            raise ValueError(f"images: must leave {MAP_SIDE} x {MAP_SIDE} places; received {images_NCHW.shape}")
        x = self.dropout(self.act(self.fc1(self.flatten(x))))
        x = self.fc2(x)
        # Behind a sigmoid a ReLU changes nothing, but Paddle Inference with oneDNN computes it in the sigmoid's place.
        return self.dropout(x if isinstance(self.fc2, SigmoidLinear) else self.act(x))


VARIANTS = {
    "VGG11": partial(VGG, (1, 1, 2, 2, 2)),
    "VGG13": partial(VGG, (2, 2, 2, 2, 2)),
    "VGG16": partial(VGG, (2, 2, 3, 3, 3)),
    "VGG19": partial(VGG, (2, 2, 4, 4, 4)),
    "VGG19Sigmoid": partial(VGG, (2, 2, 4, 4, 4), True),
}
