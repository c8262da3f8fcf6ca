"""SVTR: lines of text as images whose height alone is halved, by convolutions and then by attention.

Source: https://arxiv.org/abs/2205.00159, section 3 and table 1, with PaddleClas's classifier. Names in the state dict
and weights: PaddleClas (Apache-2.0).
"""

from functools import partial
from typing import Any

import paddle
from paddle import nn

from ppcls.models.layers import (
    Act,
    Attention,
    BatchNorm,
    DropPath,
    Head,
    LayerNorm,
    Mlp,
    draw_linears,
    drop_rates,
    positions_for,
    truncated_normal,
)
from ppcls.models.model import Model

# Rows and columns of an image of 48 x 320 pixels.
GRID = (12, 80)
Three = tuple[int, int, int]


def to_tokens(x_NCHW: paddle.Tensor) -> paddle.Tensor:
    """Return the pixels of images, row by row, [N, H * W, C]."""
    return x_NCHW.flatten(2).transpose([0, 2, 1])


class ConvMixer(nn.Layer):
    """A 5x5 convolution, in groups, in place of attention."""

    def __init__(self, width: int, num_groups: int) -> None:
        super().__init__()
        self.local_mixer = nn.Conv2D(width, width, 5, padding=2, groups=num_groups)

    def forward(self, tokens: paddle.Tensor, rows: int, columns: int) -> paddle.Tensor:
        return to_tokens(self.local_mixer(tokens.transpose([0, 2, 1]).reshape([0, -1, rows, columns])))


class GlobalMixer(Attention):
    """Attention to all tokens, wherever they are."""

    def forward(self, tokens: paddle.Tensor, *grid: Any) -> paddle.Tensor:
        return super().forward(tokens)


class Block(nn.Layer):
    """A mixer and an MLP, normalised after their inputs are added."""

    def __init__(self, width: int, mixer: nn.Layer, drop_path: float) -> None:
        super().__init__()
        self.norm1 = LayerNorm(width, epsilon=1e-6)
        self.mixer = mixer
        self.drop_path = DropPath(drop_path)
        self.norm2 = LayerNorm(width, epsilon=1e-6)
        self.mlp = Mlp(width, 4 * width)

    def forward(self, tokens: paddle.Tensor, rows: int, columns: int) -> paddle.Tensor:
        x = self.norm1(tokens + self.drop_path(self.mixer(tokens, rows, columns)))
        return self.norm2(x + self.drop_path(self.mlp(x)))


class PatchEmbed(nn.Layer):
    """Two strided convolutions, each with norm and activation."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Sequential(self._conv(3, width // 2), self._conv(width // 2, width))

    def _conv(self, in_channels: int, out_channels: int) -> nn.Layer:
        conv = nn.Conv2D(in_channels, out_channels, 3, stride=2, padding=1)
        return nn.Sequential(("conv", conv), ("norm", BatchNorm(out_channels)), ("act", Act("gelu")))

    def forward(self, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        return self.proj(images_NCHW)


class Halving(nn.Layer):
    """A convolution that halves the height of tokens' images, and the norm of its tokens."""

    def __init__(self, in_width: int, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2D(in_width, width, 3, stride=(2, 1), padding=1)
        self.norm = LayerNorm(width)

    def forward(self, tokens: paddle.Tensor, rows: int, columns: int) -> paddle.Tensor:
        return self.norm(to_tokens(self.conv(tokens.transpose([0, 2, 1]).reshape([0, -1, rows, columns]))))


class SVTR(Model):
    """Images [N, 3, H, W] -> logits [N, class_num]; the first `num_conv_blocks` mix by convolution.

    Position embeddings are resized where images are not of 48 x 320 pixels.
    """

    def __init__(
        self,
        widths: Three,
        depths: Three,
        num_heads: Three,
        num_conv_blocks: int,
        *,
        class_num: int = 1000,
        drop_path_rate: float = 0.1,
    ) -> None:
        super().__init__()
        self.num_features = widths[-1]
        self.patch_embed = PatchEmbed(widths[0])
        self.pos_embed = self.create_parameter([1, GRID[0] * GRID[1], widths[0]])
        rates = iter(enumerate(drop_rates(drop_path_rate, sum(depths))))
        for stage, (width, depth, heads) in enumerate(zip(widths, depths, num_heads), start=1):
            if stage > 1:
                self.add_sublayer(f"sub_sample{stage - 1}", Halving(widths[stage - 2], width))
            blocks = nn.LayerList()
            for _ in range(depth):
                index, rate = next(rates)
                mixer: Any = ConvMixer if index < num_conv_blocks else GlobalMixer
                blocks.append(Block(width, mixer(width, heads), rate))
            self.add_sublayer(f"blocks{stage}", blocks)
        self.fc = Head(widths[-1], class_num, std=0.02)
        truncated_normal(self.pos_embed)
        draw_linears(self)

    def features(self, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        x_NCHW = self.patch_embed(images_NCHW)
        rows, columns = x_NCHW.shape[2:]
        tokens = to_tokens(x_NCHW) + positions_for(self.pos_embed, GRID, rows, columns, num_extra=0)
        for stage in (1, 2, 3):
            if stage > 1:
                tokens = getattr(self, f"sub_sample{stage - 1}")(tokens, rows, columns)
                rows = -(-rows // 2)
            for block in getattr(self, f"blocks{stage}"):
                tokens = block(tokens, rows, columns)
        return tokens.mean(1)


VARIANTS = {
    "SVTR_tiny": partial(SVTR, (64, 128, 256), (3, 6, 3), (2, 4, 8), 6),
    "SVTR_base": partial(SVTR, (128, 256, 384), (6, 6, 6), (4, 8, 12), 9),
    "SVTR_large": partial(SVTR, (192, 256, 512), (6, 6, 9), (6, 8, 16), 9),
}
