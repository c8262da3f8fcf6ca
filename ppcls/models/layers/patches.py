"""Patches of images as tokens, and their positions. Source: https://arxiv.org/abs/2010.11929, section 3.1."""

from typing import Any, Optional

import paddle
import paddle.nn.functional as F
from paddle import nn

from ppcls.models.layers.conv import Conv2D
from ppcls.models.layers.joins import ChannelsLast
from ppcls.models.layers.norm import LayerNorm
from ppcls.models.layers.operators import STOCK, DataFormat


class PatchEmbed(nn.Layer):
    """Images [N, C, H, W] -> an embedding of each patch, [N, rows, columns, width].

    Images that patches don't fill get zeros below and on the right. With a `stride`, patches overlap, and zeros are
    on all sides.
    """

    operators: Any = STOCK
    data_format: DataFormat = "NCHW"

    def __init__(
        self,
        patch_size: int,
        width: int,
        *,
        in_channels: int = 3,
        stride: Optional[int] = None,
        bias: bool = True,
        norm: bool = False,
    ) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.overlaps = stride is not None
        self.proj = Conv2D(
            in_channels,
            width,
            patch_size,
            stride=stride or patch_size,
            padding=patch_size // 2 if self.overlaps else 0,
            bias_attr=None if bias else False,
        )
        self.last = ChannelsLast()
        self.norm = LayerNorm(width) if norm else nn.Identity()

    def forward(self, images_NCHW: paddle.Tensor) -> Any:
        below, right = (-size % self.patch_size for size in images_NCHW.shape[2:])
        if not self.overlaps and (below or right):
            images_NCHW = F.pad(images_NCHW, [0, right, 0, below])
        return self.norm(self.last(self.proj(self.operators.images(self, images_NCHW))))


def positions_for(
    embedding: paddle.Tensor, grid: tuple[int, int], rows: int, columns: int, *, num_extra: int = 1
) -> paddle.Tensor:
    """Return position embeddings [1, extra + patches, width] of a grid (rows, columns) for another one (bicubic).

    The first `num_extra` are of tokens that are no patches.
    """
    if grid == (rows, columns):
        return embedding
    patches = embedding[:, num_extra:].reshape([1, *grid, -1]).transpose([0, 3, 1, 2])
    resized = F.interpolate(patches.astype("float32"), [rows, columns], mode="bicubic")
    resized = resized.flatten(2).transpose([0, 2, 1]).astype(embedding.dtype)
    return paddle.concat([embedding[:, :num_extra], resized], axis=1)


def for_each_image(embedding: paddle.Tensor, x: paddle.Tensor) -> paddle.Tensor:
    """Return an embedding [1, L, width] for each of the N images that `x` [N, ...] is of: [N, L, width]."""
    # While a graph is written the size of its batches is open, and so a tensor.
    num_images = x.shape[0] if paddle.in_dynamic_mode() else paddle.shape(x)[0]
    return embedding.expand([num_images, -1, -1])
