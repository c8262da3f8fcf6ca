"""MobileNetV4: universal inverted residuals, in the hybrid forms between attention whose heads share keys and values.

Source: https://arxiv.org/abs/2404.10518, figure 4 and appendix D. Names in the state dict and weights: PaddleClas
(Apache-2.0).
"""

from functools import partial
from typing import NamedTuple, Optional, Union

import paddle
import paddle.nn.functional as F
from paddle import nn

from ppcls.config.groups import Group
from ppcls.models.chain import Chain
from ppcls.models.layers import (
    Activation,
    BatchNorm,
    ConvNormAct,
    Dropout,
    DropPath,
    Flatten,
    GlobalAvgPool,
    Head,
    LayerScale2D,
    Residual,
)
from ppcls.models.model import UNDECAYED_NORM


class Conv(NamedTuple):
    """A convolution."""

    channels: int
    kernel_size: int
    stride: int = 1


class Edge(NamedTuple):
    """A convolution to `hidden` channels, and a linear 1x1 one."""

    channels: int
    hidden: int
    kernel_size: int
    stride: int


class Universal(NamedTuple):
    """An inverted residual: kernel sizes of the depthwise convolutions before and after widening; 0: there is none."""

    channels: int
    hidden: int
    first_kernel: int
    middle_kernel: int
    stride: int = 1


class Attention(NamedTuple):
    """Attention: width and number of heads; the stride by which keys and values are fewer than queries."""

    channels: int
    head_width: int
    num_heads: int
    stride: int


Row = Union[Conv, Edge, Universal, Attention]

CONV_SMALL: tuple[Row, ...] = (
    Conv(32, 3, 2),
    Conv(32, 1),
    Conv(96, 3, 2),
    Conv(64, 1),
    Universal(96, 192, 5, 5, 2),
    *4 * (Universal(96, 192, 0, 3),),
    Universal(96, 384, 3, 0),
    Universal(128, 576, 3, 3, 2),
    Universal(128, 512, 5, 5),
    Universal(128, 512, 0, 5),
    Universal(128, 384, 0, 5),
    *2 * (Universal(128, 512, 0, 3),),
    Conv(960, 1),
)
CONV_MEDIUM: tuple[Row, ...] = (
    Edge(48, 128, 3, 2),
    Universal(80, 192, 3, 5, 2),
    Universal(80, 160, 3, 3),
    Universal(160, 480, 3, 5, 2),
    *2 * (Universal(160, 640, 3, 3),),
    Universal(160, 640, 3, 5),
    Universal(160, 640, 3, 3),
    Universal(160, 640, 3, 0),
    Universal(160, 320, 0, 0),
    Universal(160, 640, 3, 0),
    Universal(256, 960, 5, 5, 2),
    Universal(256, 1024, 5, 5),
    *2 * (Universal(256, 1024, 3, 5),),
    Universal(256, 1024, 0, 0),
    Universal(256, 1024, 3, 0),
    Universal(256, 512, 3, 5),
    Universal(256, 1024, 5, 5),
    *2 * (Universal(256, 1024, 0, 0),),
    Universal(256, 512, 5, 0),
    Conv(960, 1),
)
CONV_LARGE: tuple[Row, ...] = (
    Edge(48, 96, 3, 2),
    Universal(96, 192, 3, 5, 2),
    Universal(96, 384, 3, 3),
    Universal(192, 384, 3, 5, 2),
    *3 * (Universal(192, 768, 3, 3),),
    Universal(192, 768, 3, 5),
    *5 * (Universal(192, 768, 5, 3),),
    Universal(192, 768, 3, 0),
    Universal(512, 768, 5, 5, 2),
    *3 * (Universal(512, 2048, 5, 5),),
    Universal(512, 2048, 5, 0),
    Universal(512, 2048, 5, 3),
    *2 * (Universal(512, 2048, 5, 0),),
    Universal(512, 2048, 5, 3),
    Universal(512, 2048, 5, 5),
    *3 * (Universal(512, 2048, 5, 0),),
    Conv(960, 1),
)
HYBRID_MEDIUM: tuple[Row, ...] = (
    Edge(48, 128, 3, 2),
    Universal(80, 192, 3, 5, 2),
    Universal(80, 160, 3, 3),
    Universal(160, 480, 3, 5, 2),
    Universal(160, 320, 0, 0),
    Universal(160, 640, 3, 3),
    Universal(160, 640, 3, 5),
    Attention(160, 64, 4, 2),
    Universal(160, 640, 3, 3),
    Attention(160, 64, 4, 2),
    Universal(160, 640, 3, 0),
    Attention(160, 64, 4, 2),
    Universal(160, 640, 3, 3),
    Attention(160, 64, 4, 2),
    Universal(160, 640, 3, 0),
    Universal(256, 960, 5, 5, 2),
    Universal(256, 1024, 5, 5),
    *2 * (Universal(256, 1024, 3, 5),),
    Universal(256, 512, 0, 0),
    Universal(256, 512, 3, 5),
    Universal(256, 512, 0, 0),
    Universal(256, 1024, 0, 0),
    Attention(256, 64, 4, 1),
    Universal(256, 1024, 3, 0),
    Attention(256, 64, 4, 1),
    Universal(256, 1024, 5, 5),
    *2 * (Attention(256, 64, 4, 1), Universal(256, 1024, 5, 0)),
    Conv(960, 1),
)
HYBRID_LARGE: tuple[Row, ...] = (
    Edge(48, 96, 3, 2),
    Universal(96, 192, 3, 5, 2),
    Universal(96, 384, 3, 3),
    Universal(192, 384, 3, 5, 2),
    *3 * (Universal(192, 768, 3, 3),),
    Universal(192, 768, 3, 5),
    *2 * (Universal(192, 768, 5, 3),),
    *3 * (Attention(192, 48, 8, 2), Universal(192, 768, 5, 3)),
    Attention(192, 48, 8, 2),
    Universal(192, 768, 3, 0),
    Universal(512, 768, 5, 5, 2),
    *3 * (Universal(512, 2048, 5, 5),),
    Universal(512, 2048, 5, 0),
    Universal(512, 2048, 5, 3),
    *2 * (Universal(512, 2048, 5, 0),),
    Universal(512, 2048, 5, 3),
    Universal(512, 2048, 5, 5),
    *4 * (Attention(512, 64, 8, 1), Universal(512, 2048, 5, 0)),
    Conv(960, 1),
)


def _universal(
    in_channels: int, row: Universal, act: Activation, layer_scale: Optional[float], drop_path: float
) -> Residual:
    channels, hidden, first, middle, stride = row
    path = {
        "dw_start": ConvNormAct(in_channels, in_channels, first, groups=in_channels) if first else None,
        "pw_exp": ConvNormAct(in_channels, hidden, 1, act=act),
        "dw_mid": ConvNormAct(hidden, hidden, middle, stride=stride, groups=hidden, act=act) if middle else None,
        "pw_proj": ConvNormAct(hidden, channels, 1),
        "layer_scale": LayerScale2D(channels, layer_scale) if layer_scale else None,
    }
    return Residual(path, shortcut=stride == 1 and in_channels == channels, drop_path=drop_path)


def _edge(in_channels: int, row: Edge, act: Activation, drop_path: float) -> Residual:
    channels, hidden, kernel_size, stride = row
    path = {
        "conv_exp": ConvNormAct(in_channels, hidden, kernel_size, stride=stride, act=act),
        "conv_pwl": ConvNormAct(hidden, channels, 1),
    }
    return Residual(path, shortcut=stride == 1 and in_channels == channels, drop_path=drop_path)


class MobileAttention(nn.Layer):
    """Attention of pixels, whose heads share keys and values; a shortcut is around it. Source: section 4.

    `scale_by_head`: scores are divided by the root of a head's width, as the paper and fused operators have it, not
    by that of all heads together.
    """

    def __init__(self, row: Attention, layer_scale: float, drop_path: float, scale_by_head: bool) -> None:
        super().__init__()
        channels, self.head_width, self.num_heads, stride = row
        width = self.num_heads * self.head_width
        conv = partial(nn.Conv2D, kernel_size=1, bias_attr=False)
        self.norm = BatchNorm(channels)
        self.query_proj = conv(channels, width)
        halve = partial(ConvNormAct, channels, channels, 3, stride=stride, groups=channels)
        self.key_down_proj = halve() if stride > 1 else nn.Identity()
        self.value_down_proj = halve() if stride > 1 else nn.Identity()
        self.key_proj = conv(channels, self.head_width)
        self.value_proj = conv(channels, self.head_width)
        self.proj = conv(width, channels)
        self.scale = (self.head_width if scale_by_head else width) ** -0.5
        self.layer_scale = LayerScale2D(channels, layer_scale)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        _, _, height, width = x.shape
        y = self.norm(x)
        queries = self.query_proj(y).reshape([0, self.num_heads, self.head_width, height * width])
        keys = self.key_proj(self.key_down_proj(y)).flatten(2).unsqueeze(1)
        values = self.value_proj(self.value_down_proj(y)).flatten(2).unsqueeze(1)
        scores = paddle.matmul(queries * self.scale, keys, transpose_x=True)
        attended = paddle.matmul(values, F.softmax(scores, axis=-1), transpose_y=True)
        y = self.proj(attended.reshape([0, self.num_heads * self.head_width, height, width]))
        return x + self.drop_path(self.layer_scale(y))


class MobileNetV4(Chain):
    """`stem_channels` come out of the first convolution; `layer_scale`: first factor of the blocks' channels, if any.

    `drop_rate`: of the dropout before the head, and `drop_path_rate`: of the last block beside a shortcut. In
    PaddleClas dropout is stated but not computed, and drop path also drops convolutions without a shortcut.
    `use_fused_attn`: see MobileAttention's `scale_by_head`.
    """

    only_layers = True
    head_name = "classifier"
    param_groups = (UNDECAYED_NORM, Group(r"\d\.norm\.", weight_decay=0.0))

    def __init__(
        self,
        rows: tuple[Row, ...],
        stem_channels: int = 32,
        act: Activation = "relu",
        layer_scale: Optional[float] = None,
        *,
        class_num: int = 1000,
        class_expand: int = 1280,
        drop_path_rate: float = 0.0,
        drop_rate: float = 0.0,
        use_fused_attn: bool = False,
    ) -> None:
        super().__init__()
        channels = stem_channels
        self.conv_stem = ConvNormAct(3, channels, 3, stride=2, act=act)
        blocks: list[nn.Layer] = []
        for index, row in enumerate(rows):
            drop_path = drop_path_rate * index / len(rows)
            if isinstance(row, Conv):
                blocks.append(ConvNormAct(channels, row.channels, row.kernel_size, stride=row.stride, act=act))
            elif isinstance(row, Edge):
                blocks.append(_edge(channels, row, act, drop_path))
            elif isinstance(row, Universal):
                blocks.append(_universal(channels, row, act, layer_scale, drop_path))
            else:
                blocks.append(MobileAttention(row, layer_scale or 1.0, drop_path, use_fused_attn))
            channels = row.channels
        self.blocks = nn.Sequential(*blocks)
        self.global_pool = GlobalAvgPool()
        self.conv_head = ConvNormAct(channels, class_expand, 1, act=act)
        self.flatten = Flatten()
        self.dropout = Dropout(drop_rate)
        self.num_features = class_expand
        self.classifier = Head(class_expand, class_num)


VARIANTS = {
    "MobileNetV4_conv_small": partial(MobileNetV4, CONV_SMALL),
    "MobileNetV4_conv_medium": partial(MobileNetV4, CONV_MEDIUM),
    "MobileNetV4_conv_large": partial(MobileNetV4, CONV_LARGE, 24),
    "MobileNetV4_hybrid_medium": partial(MobileNetV4, HYBRID_MEDIUM, 32, "relu", 1e-5),
    "MobileNetV4_hybrid_large": partial(MobileNetV4, HYBRID_LARGE, 24, "gelu", 1e-5),
}
