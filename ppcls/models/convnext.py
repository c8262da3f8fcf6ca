"""ConvNeXt: depthwise 7x7 convolutions in the block of a transformer.

Source: https://arxiv.org/abs/2201.03545, section 2 and table 9. Names in the state dict and weights: PaddleClas
(Apache-2.0), whose weights are converted from Meta's (MIT).
"""

from functools import partial

import paddle
from paddle import nn

from ppcls.models.layers import (
    Act,
    Add,
    Branch,
    ChannelsLast,
    Conv2D,
    DropPath,
    Flatten,
    GlobalAvgPool,
    Head,
    LayerNorm,
    LayerNorm2D,
    Linear,
    ModelLayout,
    Scale,
    drop_rates,
    truncated_normal,
)
from ppcls.models.model import Model

EPSILON = 1e-6


class Block(nn.Layer):
    """A depthwise convolution and an MLP over channels, their result scaled by `gamma` and added to the input."""

    def __init__(self, width: int, *, drop_path: float, layer_scale: float) -> None:
        super().__init__()
        self.branch, self.sum, self.scale = Branch(), Add(), Scale()
        self.last, self.model_layout = ChannelsLast(), ModelLayout()
        self.dwconv = Conv2D(width, width, 7, padding=3, groups=width)
        self.norm = LayerNorm(width, epsilon=EPSILON)
        self.pwconv1 = Linear(width, 4 * width)
        self.act = Act("gelu")
        self.pwconv2 = Linear(4 * width, width)
        self.gamma = None
        if layer_scale > 0:
            self.gamma = self.create_parameter([width], default_initializer=nn.initializer.Constant(layer_scale))
        self.drop_path = DropPath(drop_path)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x, beside = self.branch(x)
        x = self.norm(self.last(self.dwconv(x)))
        x = self.pwconv2(self.act(self.pwconv1(x)))
        x = x if self.gamma is None else self.scale(x, self.gamma)
        return self.sum(beside, self.drop_path(self.model_layout(x)))


class ConvNeXt(Model):
    """Images [N, 3, H, W] -> logits [N, class_num].

    `layer_scale_init_value`: the first value of the factors of each block's channels; 0: there are none.
    `head_init_scale` multiplies the first weights of the head.
    """

    head_name = "head"
    only_layers = True

    def __init__(
        self,
        depths: tuple[int, int, int, int],
        widths: tuple[int, int, int, int],
        *,
        class_num: int = 1000,
        drop_path_rate: float = 0.0,
        layer_scale_init_value: float = 1e-6,
        head_init_scale: float = 1.0,
    ) -> None:
        super().__init__()
        stem = nn.Sequential(Conv2D(3, widths[0], 4, stride=4), LayerNorm2D(widths[0], epsilon=EPSILON))
        halving = (
            nn.Sequential(LayerNorm2D(width, epsilon=EPSILON), Conv2D(width, next_width, 2, stride=2))
            for width, next_width in zip(widths, widths[1:])
        )
        self.downsample_layers = nn.LayerList([stem, *halving])
        rates = iter(drop_rates(drop_path_rate, sum(depths)))
        self.stages = nn.LayerList(
            nn.Sequential(
                *(Block(width, drop_path=next(rates), layer_scale=layer_scale_init_value) for _ in range(depth))
            )
            for depth, width in zip(depths, widths)
        )
        self.average, self.flatten = GlobalAvgPool(), Flatten()
        self.num_features = widths[-1]
        self.norm = LayerNorm(self.num_features, epsilon=EPSILON)
        self.head = Head(self.num_features, class_num, std=0.02 * head_init_scale)
        layers = [layer for layer in self.sublayers() if isinstance(layer, (nn.Conv2D, Linear))]
        truncated_normal(*(layer.weight for layer in layers if layer is not self.head))

    def features(self, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        x = self.operators.images(self, images_NCHW)
        for downsample, stage in zip(self.downsample_layers, self.stages):
            x = stage(downsample(x))
        return self.norm(self.flatten(self.average(x)))


VARIANTS = {
    "ConvNeXt_tiny": partial(ConvNeXt, (3, 3, 9, 3), (96, 192, 384, 768)),
    "ConvNeXt_small": partial(ConvNeXt, (3, 3, 27, 3), (96, 192, 384, 768)),
    "ConvNeXt_base_224": partial(ConvNeXt, (3, 3, 27, 3), (128, 256, 512, 1024)),
    "ConvNeXt_base_384": partial(ConvNeXt, (3, 3, 27, 3), (128, 256, 512, 1024)),
    "ConvNeXt_large_224": partial(ConvNeXt, (3, 3, 27, 3), (192, 384, 768, 1536)),
    "ConvNeXt_large_384": partial(ConvNeXt, (3, 3, 27, 3), (192, 384, 768, 1536)),
}
