"""TNT: a transformer within each patch of a transformer.

Source: https://arxiv.org/abs/2103.00112, section 2 and table 1. Names in the state dict and weights: PaddleClas
(Apache-2.0), whose weights are converted from the authors' (Apache-2.0).
"""

from functools import partial

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
    for_each_image,
    positions_for,
    split_heads,
    split_windows,
    truncated_normal,
)
from ppcls.models.model import Model

PATCH_SIZE, STRIDE = 16, 4
# Pixels, a row of a patch, and patches of an image of 224 pixels.
ROW, GRID = PATCH_SIZE // STRIDE, (14, 14)
INNER_HEADS = 4
DEPTH = 12


class SplitAttention(nn.Layer):
    """Self-attention whose values have a linear layer of their own."""

    def __init__(self, width: int, num_heads: int, *, dropout: float, attention_dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.scale = (width // num_heads) ** -0.5
        self.qk = Linear(width, 2 * width, bias_attr=False)
        self.v = Linear(width, width, bias_attr=False)
        self.attn_drop = nn.Dropout(attention_dropout)
        self.proj = Linear(width, width)
        self.proj_drop = nn.Dropout(dropout)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        queries, keys = split_heads(self.qk(x), self.num_heads, 2)
        (values,) = split_heads(self.v(x), self.num_heads, 1)
        return self.proj_drop(self.proj(attend(queries * self.scale, keys, values, dropout=self.attn_drop)))


class Block(nn.Layer):
    """A transformer's block for the pixels of each patch, which are then added to the patches, and one for those."""

    def __init__(
        self, width: int, inner: int, num_heads: int, *, dropout: float, attention_dropout: float, drop_path: float
    ) -> None:
        super().__init__()
        attention = partial(SplitAttention, dropout=dropout, attention_dropout=attention_dropout)
        self.norm_in = LayerNorm(inner)
        self.attn_in = attention(inner, INNER_HEADS)
        self.norm_mlp_in = LayerNorm(inner)
        self.mlp_in = Mlp(inner, 4 * inner, dropout=dropout)
        self.norm1_proj = LayerNorm(inner * ROW * ROW)
        self.proj = Linear(inner * ROW * ROW, width, bias_attr=False)
        self.norm2_proj = LayerNorm(width)
        self.norm_out = LayerNorm(width)
        self.attn_out = attention(width, num_heads)
        self.norm_mlp = LayerNorm(width)
        self.mlp = Mlp(width, 4 * width, dropout=dropout)
        self.drop_path = DropPath(drop_path)

    def forward(self, pixels: paddle.Tensor, patches: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Return new pixels [N * patches, 16, inner] and patches [N, 1 + patches, width], the class token first."""
        pixels = pixels + self.drop_path(self.attn_in(self.norm_in(pixels)))
        pixels = pixels + self.drop_path(self.mlp_in(self.norm_mlp_in(pixels)))
        added = project(self, pixels, num_patches=patches.shape[1] - 1)
        patches = paddle.concat([patches[:, :1], patches[:, 1:] + added], axis=1)
        patches = patches + self.drop_path(self.attn_out(self.norm_out(patches)))
        return pixels, patches + self.drop_path(self.mlp(self.norm_mlp(patches)))


def project(layer: nn.Layer, pixels: paddle.Tensor, *, num_patches: int) -> paddle.Tensor:
    """Return pixels [N * patches, 16, inner] as patches [N, patches, width], by the projection of a layer."""
    flat = pixels.reshape([-1, num_patches, pixels.shape[1] * pixels.shape[2]])
    patches: paddle.Tensor = layer.norm2_proj(layer.proj(layer.norm1_proj(flat)))
    return patches


class PixelEmbed(nn.Layer):
    """Images [N, 3, H, W] -> 4 x 4 pixels of each patch, [N * patches, 16, inner], which see their patch alone."""

    def __init__(self, inner: int) -> None:
        super().__init__()
        self.proj = nn.Conv2D(3, inner, 7, stride=STRIDE, padding=3)

    def forward(self, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        patches = split_windows(images_NCHW.transpose([0, 2, 3, 1]), PATCH_SIZE, PATCH_SIZE)
        patches_NCHW = patches.transpose([0, 2, 1]).reshape([-1, 3, PATCH_SIZE, PATCH_SIZE])
        return self.proj(patches_NCHW).flatten(2).transpose([0, 2, 1])


class TNT(Model):
    """Images [N, 3, H, W], of multiples of 16 pixels, -> logits [N, class_num].

    Positions of patches are resized where images are not of 224 pixels.
    """

    head_name = "head"

    def __init__(
        self,
        width: int,
        inner: int,
        num_heads: int,
        *,
        class_num: int = 1000,
        drop_rate: float = 0.0,
        attn_drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
    ) -> None:
        super().__init__()
        self.num_features = width
        self.pixel_embed = PixelEmbed(inner)
        self.norm1_proj = LayerNorm(inner * ROW * ROW)
        self.proj = Linear(inner * ROW * ROW, width)
        self.norm2_proj = LayerNorm(width)
        self.cls_token = self.create_parameter([1, 1, width])
        self.patch_pos = self.create_parameter([1, 1 + GRID[0] * GRID[1], width])
        self.pixel_pos = self.create_parameter([1, ROW * ROW, inner])
        self.pos_drop = nn.Dropout(drop_rate)
        block = partial(Block, width, inner, num_heads, dropout=drop_rate, attention_dropout=attn_drop_rate)
        self.blocks = nn.LayerList(block(drop_path=rate) for rate in drop_rates(drop_path_rate, DEPTH))
        self.norm = LayerNorm(width)
        self.head = Head(width, class_num, std=0.02)
        truncated_normal(self.cls_token, self.patch_pos, self.pixel_pos)
        draw_linears(self)

    def features(self, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        _, _, height, width = images_NCHW.shape
        rows, columns = height // PATCH_SIZE, width // PATCH_SIZE
        pixels = self.pixel_embed(images_NCHW) + self.pixel_pos
        patches = project(self, pixels, num_patches=rows * columns)
        patches = paddle.concat([for_each_image(self.cls_token, images_NCHW), patches], axis=1)
        patches = self.pos_drop(patches + positions_for(self.patch_pos, GRID, rows, columns))
        for block in self.blocks:
            pixels, patches = block(pixels, patches)
        return self.norm(patches[:, 0])


VARIANTS = {
    "TNT_small": partial(TNT, 384, 24, 6),
    "TNT_base": partial(TNT, 640, 40, 10),
}
