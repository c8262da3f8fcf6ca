"""MobileViT: transformers of the pixels of patches, inside MobileNetV2.

Source: https://arxiv.org/abs/2110.02178, figure 1b and table 4. Names in the state dict and weights: PaddleClas
(Apache-2.0).
"""

from functools import partial

import paddle
from paddle import nn

from ppcls.models.chain import Chain
from ppcls.models.layers import (
    Attention,
    BatchNorm,
    Dropout,
    Flatten,
    GlobalAvgPool,
    Head,
    LayerNorm,
    Mlp,
    NormConvNormAct,
    Residual,
    draw_linears,
    fold_patches,
    unfold_patches,
)

PATCH_SIZE = 2
DEPTHS = (2, 4, 3)

conv = partial(NormConvNormAct, act="silu")


class Encoder(nn.Layer):
    """Attention of four heads and an MLP, each on a shortcut's side, normalised before."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attn_norm = LayerNorm(width)
        self.attn = Attention(width, 4, dropout=0.1)
        self.mlp_norm = LayerNorm(width)
        self.mlp = Mlp(width, 2 * width, act="silu", dropout=0.1)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = x + self.attn(self.attn_norm(x))
        return x + self.mlp(self.mlp_norm(x))


def as_tokens(patches: paddle.Tensor) -> paddle.Tensor:
    """Return patches [N, C, pixels, patches] as sequences [N * pixels, patches, C]."""
    return patches.transpose([0, 2, 3, 1]).flatten(0, 1)


def as_patches(tokens: paddle.Tensor) -> paddle.Tensor:
    """Return sequences as the patches that `as_tokens` made them of."""
    _, num_patches, channels = tokens.shape
    return tokens.reshape([-1, PATCH_SIZE**2, num_patches, channels]).transpose([0, 3, 1, 2])


class MobileViTBlock(nn.Layer):
    """Convolutions, a transformer of patches, and a convolution of its result beside the input."""

    def __init__(self, channels: int, width: int, depth: int) -> None:
        super().__init__()
        self.conv1 = conv(channels, channels, 3)
        self.conv2 = nn.Conv2D(channels, width, 1, bias_attr=False)
        encoders = nn.Sequential(*(Encoder(width) for _ in range(depth)))
        self.transformer = nn.Sequential(("layers", encoders), ("norm", LayerNorm(width, epsilon=1e-6)))
        self.conv3 = conv(width, channels, 1)
        self.conv4 = conv(2 * channels, channels, 3)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        height, width = x.shape[2:]
        tokens = as_tokens(unfold_patches(self.conv2(self.conv1(x)), PATCH_SIZE))
        y = fold_patches(as_patches(self.transformer(tokens)), PATCH_SIZE, height, width)
        return self.conv4(paddle.concat([x, self.conv3(y)], axis=1))


def _inverted(in_channels: int, out_channels: int, expansion: int, stride: int = 1) -> Residual:
    hidden = in_channels * expansion
    layers = (
        conv(in_channels, hidden, 1),
        conv(hidden, hidden, 3, stride=stride, groups=hidden),
        nn.Conv2D(hidden, out_channels, 1, bias_attr=False),
        BatchNorm(out_channels),
    )
    return Residual({"conv": nn.Sequential(*layers)}, shortcut=stride == 1 and in_channels == out_channels)


class MobileViT(Chain):
    """`channels` of the five stages and of the last convolution; `widths` of the transformers in the last three."""

    head_name = "linear"

    def __init__(
        self, channels: tuple[int, ...], widths: tuple[int, int, int], expansion: int, *, class_num: int = 1000
    ) -> None:
        super().__init__()
        first, second, *later, last = channels
        self.conv3x3 = conv(3, 16, 3, stride=2)
        self.mv2_block_1 = _inverted(16, first, expansion)
        self.mv2_block_2 = _inverted(first, second, expansion, stride=2)
        self.mv2_block_3 = _inverted(second, second, expansion)
        self.mv2_block_4 = _inverted(second, second, expansion)
        before = second
        for number, (after, width, depth) in enumerate(zip(later, widths, DEPTHS), start=1):
            self.add_sublayer(f"mv2_block_{number + 4}", _inverted(before, after, expansion, stride=2))
            self.add_sublayer(f"mvit_block_{number}", MobileViTBlock(after, width, depth))
            before = after
        self.conv1x1 = conv(before, last, 1)
        self.pool = GlobalAvgPool()
        self.flatten = Flatten()
        self.dropout = Dropout(0.1)
        self.num_features = last
        self.linear = Head(last, class_num)
        draw_linears(nn.LayerList([layer for layer in self.sublayers() if isinstance(layer, Encoder)]))


VARIANTS = {
    "MobileViT_XXS": partial(MobileViT, (16, 24, 48, 64, 80, 320), (64, 80, 96), 2),
    "MobileViT_XS": partial(MobileViT, (32, 48, 64, 80, 96, 384), (96, 120, 144), 4),
    "MobileViT_S": partial(MobileViT, (32, 64, 96, 128, 160, 640), (144, 192, 240), 4),
}
