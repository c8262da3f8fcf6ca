"""CSWin Transformer: half of the heads attend within columns of the image, half within rows.

Source: https://arxiv.org/abs/2107.00652, section 3 and table 1. Names in the state dict and weights: PaddleClas
(Apache-2.0), whose weights are converted from Microsoft's (MIT).
"""

from functools import partial
from typing import Optional

import paddle
from paddle import nn

from ppcls.models.layers import (
    DropPath,
    Head,
    LayerNorm,
    Linear,
    Mlp,
    attend,
    draw_linears,
    drop_rates,
    join_windows,
    pad_to_multiples,
    split_heads,
    split_windows,
)
from ppcls.models.model import Model

Four = tuple[int, int, int, int]
Size = tuple[Optional[int], Optional[int]]


class StripeAttention(nn.Layer):
    """Attention within windows, and a depthwise convolution of the values in them, which tells of positions.

    `size`: height and width of the windows; None: that of the image.
    """

    def __init__(self, width: int, num_heads: int, size: Size, *, attention_dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.scale = (width // num_heads) ** -0.5
        self.size = size
        self.get_v = nn.Conv2D(width, width, 3, padding=1, groups=width)
        self.attn_dropout = nn.Dropout(attention_dropout)

    def forward(self, qkv_NHWC: paddle.Tensor) -> paddle.Tensor:
        """Attend; queries, keys and values [N, H, W, 3 * width] -> [N, H, W, width]."""
        _, image_height, image_width, _ = qkv_NHWC.shape
        height, width = self.size[0] or image_height, self.size[1] or image_width
        padded = pad_to_multiples(qkv_NHWC, height, width)
        _, padded_height, padded_width, _ = padded.shape
        windows = split_windows(padded, height, width)
        queries, keys, values = split_heads(windows, self.num_heads, 3)
        tokens = attend(queries * self.scale, keys, values, dropout=self.attn_dropout)
        _, _, values_in_windows = windows.chunk(3, axis=-1)
        images = values_in_windows.transpose([0, 2, 1]).reshape([-1, tokens.shape[-1], height, width])
        tokens = tokens + self.get_v(images).flatten(2).transpose([0, 2, 1])
        x = join_windows(tokens, height, width, image_height=padded_height, image_width=padded_width)
        return x[:, :image_height, :image_width]


class Block(nn.Layer):
    """A transformer's block on images [N, H, W, width]; `stripe`: the stripes' width; None: one window, one branch."""

    def __init__(
        self,
        width: int,
        num_heads: int,
        stripe: Optional[int],
        *,
        dropout: float,
        attention_dropout: float,
        drop_path: float,
    ) -> None:
        super().__init__()
        self.norm1 = LayerNorm(width)
        self.qkv = Linear(width, 3 * width)
        sizes: list[Size] = [(None, None)] if stripe is None else [(None, stripe), (stripe, None)]
        self.attns = nn.LayerList(
            StripeAttention(width // len(sizes), num_heads // len(sizes), size, attention_dropout=attention_dropout)
            for size in sizes
        )
        self.proj = Linear(width, width)
        self.drop_path = DropPath(drop_path)
        self.norm2 = LayerNorm(width)
        self.mlp = Mlp(width, 4 * width, dropout=dropout)

    def forward(self, x_NHWC: paddle.Tensor) -> paddle.Tensor:
        num_branches = len(self.attns)
        # Channels are ordered by query, key and value, and by branch in each.
        parts = self.qkv(self.norm1(x_NHWC)).chunk(3 * num_branches, axis=-1)
        attended = [
            attention(paddle.concat(parts[branch::num_branches], axis=-1))
            for branch, attention in enumerate(self.attns)
        ]
        x = x_NHWC + self.drop_path(self.proj(paddle.concat(attended, axis=-1)))
        return x + self.drop_path(self.mlp(self.norm2(x)))


class Embedding(nn.Layer):
    """A strided convolution, from NCHW images to a norm of NHWC ones."""

    conv_name = "patch_embed"

    def __init__(self, in_channels: int, width: int, kernel_size: int, *, stride: int, padding: int) -> None:
        super().__init__()
        conv = nn.Conv2D(in_channels, width, kernel_size, stride=stride, padding=padding)
        self.add_sublayer(self.conv_name, conv)
        self.norm = LayerNorm(width)

    def forward(self, x_NCHW: paddle.Tensor) -> paddle.Tensor:
        return self.norm(getattr(self, self.conv_name)(x_NCHW).transpose([0, 2, 3, 1]))


class Merging(Embedding):
    """Halve height and width of NHWC images and double their channels."""

    conv_name = "conv"

    def __init__(self, width: int) -> None:
        super().__init__(width, 2 * width, 3, stride=2, padding=1)


class Stage(nn.Layer):
    """Blocks, and what halves the image after them."""

    def __init__(self, blocks: list[Block], merge: Optional[nn.Layer]) -> None:
        super().__init__()
        self.blocks = nn.LayerList(blocks)
        self.merge = merge

    def forward(self, x_NHWC: paddle.Tensor) -> paddle.Tensor:
        for block in self.blocks:
            x_NHWC = block(x_NHWC)
        return x_NHWC if self.merge is None else self.merge(x_NHWC.transpose([0, 3, 1, 2]))


class CSWinTransformer(Model):
    """Images [N, 3, H, W] -> logits [N, class_num]; `droppath` is the last block's rate of stochastic depth."""

    head_name = "head"

    def __init__(
        self,
        width: int,
        depths: Four,
        stripes: tuple[int, int, int],
        num_heads: Four,
        *,
        class_num: int = 1000,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        droppath: float = 0.0,
    ) -> None:
        super().__init__()
        self.patch_embedding = Embedding(3, width, 7, stride=4, padding=2)
        self.stages = nn.LayerList()
        rates = iter(drop_rates(droppath, sum(depths)))
        for depth, stripe, heads in zip(depths, (*stripes, None), num_heads):
            block = partial(Block, width, heads, stripe, dropout=dropout, attention_dropout=attention_dropout)
            blocks = [block(drop_path=next(rates)) for _ in range(depth)]
            self.stages.append(Stage(blocks, None if stripe is None else Merging(width)))
            width = width if stripe is None else 2 * width
        self.num_features = width
        self.norm = LayerNorm(width)
        self.head = Head(width, class_num, std=0.02)
        draw_linears(self)

    def features(self, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        x = self.patch_embedding(images_NCHW)
        for stage in self.stages:
            x = stage(x)
        return self.norm(x).mean([1, 2])


DEPTHS = (2, 4, 32, 2)
FOR_224, FOR_384 = (1, 2, 7), (1, 2, 12)
BASE_HEADS, LARGE_HEADS = (4, 8, 16, 32), (6, 12, 24, 24)
VARIANTS = {
    "CSWinTransformer_tiny_224": partial(CSWinTransformer, 64, (1, 2, 21, 1), FOR_224, (2, 4, 8, 16), droppath=0.2),
    "CSWinTransformer_small_224": partial(CSWinTransformer, 64, DEPTHS, FOR_224, (2, 4, 8, 16), droppath=0.4),
    "CSWinTransformer_base_224": partial(CSWinTransformer, 96, DEPTHS, FOR_224, BASE_HEADS, droppath=0.5),
    "CSWinTransformer_base_384": partial(CSWinTransformer, 96, DEPTHS, FOR_384, BASE_HEADS, droppath=0.5),
    "CSWinTransformer_large_224": partial(CSWinTransformer, 144, DEPTHS, FOR_224, LARGE_HEADS, droppath=0.5),
    "CSWinTransformer_large_384": partial(CSWinTransformer, 144, DEPTHS, FOR_384, LARGE_HEADS, droppath=0.5),
}
