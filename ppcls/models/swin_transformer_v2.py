"""Swin Transformer V2: norms after the branches, cosine attention, and biases that a small network gives.

Source: https://arxiv.org/abs/2111.09883, section 3 and table 2. Names in the state dict and weights: PaddleClas
(Apache-2.0), whose weights are converted from Microsoft's (MIT).
"""

import math
from functools import partial
from typing import Any, Optional

import numpy as np
import paddle
import paddle.nn.functional as F
from numpy.typing import NDArray
from paddle import nn

from ppcls.models.layers import (
    Act,
    GlobalAvgPool,
    Head,
    LayerNorm,
    Linear,
    PatchEmbed,
    TransformerBlock,
    Windows,
    attend,
    attend_in_windows,
    draw_linears,
    drop_rates,
    keyless_bias,
    relative_positions,
    split_heads,
)
from ppcls.models.model import Model, check_image_size
from ppcls.models.swin_transformer import PATCH_SIZE, GatherPixels, shift_mask

# Of the network that gives the biases.
HIDDEN = 512
LARGEST_BIAS = 16
LARGEST_LOGIT_SCALE = 100.0
Four = tuple[int, int, int, int]


def log_spaced_offsets(window: int, pretrained_window: int) -> NDArray[np.float32]:
    """Return all offsets (down, right) within a window, float32 [1, 2 * window - 1, 2 * window - 1, 2].

    An offset from edge to edge of the window of the pretraining is log2(9) / 3. Source: equation 4.
    """
    scaled = 8 * (np.indices(2 * [2 * window - 1]).transpose(1, 2, 0) - (window - 1)) / (pretrained_window - 1)
    return np.asarray(np.sign(scaled) * np.log2(np.abs(scaled) + 1) / 3, "float32")[None]


class CosineAttention(nn.Layer):
    """Attention within a square window, by the cosines of queries and keys (section 3.3)."""

    def __init__(
        self,
        width: int,
        num_heads: int,
        window: int,
        pretrained_window: int,
        *,
        dropout: float,
        attention_dropout: float,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.logit_scale = self.create_parameter(
            [num_heads, 1, 1], default_initializer=nn.initializer.Constant(math.log(10.0))
        )
        self.cpb_mlp = nn.Sequential(Linear(2, HIDDEN), Act("relu"), Linear(HIDDEN, num_heads, bias_attr=False))
        offsets = log_spaced_offsets(window, pretrained_window)
        self.register_buffer("relative_coords_table", paddle.to_tensor(offsets))
        self.register_buffer("relative_position_index", paddle.to_tensor(relative_positions(window, window)))
        self.qkv = Linear(width, 3 * width, bias_attr=False)
        self.q_bias = self.create_parameter([width], is_bias=True)
        self.v_bias = self.create_parameter([width], is_bias=True)
        self.attn_drop = nn.Dropout(attention_dropout)
        self.proj = Linear(width, width)
        self.proj_drop = nn.Dropout(dropout)

    def _bias(self) -> paddle.Tensor:
        table = self.cpb_mlp(self.relative_coords_table).reshape([-1, self.num_heads])
        bias = table[self.relative_position_index.flatten()].reshape([*self.relative_position_index.shape, -1])
        return LARGEST_BIAS * F.sigmoid(bias.transpose([2, 0, 1]))

    def forward(self, x: paddle.Tensor, mask: Optional[paddle.Tensor]) -> paddle.Tensor:
        qkv = self.qkv(x) + keyless_bias(self.q_bias, self.v_bias)
        queries, keys, values = split_heads(qkv, self.num_heads, 3)
        scale = self.logit_scale.clip(max=math.log(LARGEST_LOGIT_SCALE)).exp()
        bias = self._bias() if mask is None else self._bias() + mask.unsqueeze(1)
        queries, keys = scale * F.normalize(queries, axis=-1), F.normalize(keys, axis=-1)
        return self.proj_drop(self.proj(attend(queries, keys, values, bias=bias, dropout=self.attn_drop)))


class Block(TransformerBlock):
    """A transformer's block on images [N, grid, grid, width], whose branches are normalised at their ends.

    Windows are not shifted where one holds the whole image.
    """

    def __init__(
        self, width: int, attention: nn.Layer, window: int, grid: int, *, shifted: bool, **options: Any
    ) -> None:
        super().__init__(width, attention, **options)
        self.windows = Windows(window, window // 2 if shifted and window < grid else 0)
        self.register_buffer("attn_mask", shift_mask(grid, grid, window).squeeze(1) if self.windows.shift else None)

    def forward(self, x_NHWC: paddle.Tensor) -> paddle.Tensor:
        attended = attend_in_windows(self.attn, x_NHWC, self.windows, self.attn_mask)
        x = x_NHWC + self.drop_path(self.norm1(attended))
        return x + self.drop_path(self.norm2(self.mlp(x)))


class PatchMerging(nn.Layer):
    """Halve height and width: the channels of four pixels become twice the channels of one."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gather = GatherPixels()
        self.reduction = Linear(4 * width, 2 * width, bias_attr=False)
        self.norm = LayerNorm(2 * width)

    def forward(self, x_NHWC: paddle.Tensor) -> paddle.Tensor:
        return self.norm(self.reduction(self.gather(x_NHWC)))


class SwinTransformerV2(Model):
    """Images [N, 3, image_size, image_size] -> logits [N, class_num].

    `pretrained_windows`: where weights come from a training with other windows than `window`, those of the stages.
    """

    head_name = "head"

    def __init__(
        self,
        image_size: int,
        width: int,
        depths: Four,
        num_heads: Four,
        window: int,
        pretrained_windows: Optional[Four] = None,
        *,
        class_num: int = 1000,
        drop_rate: float = 0.0,
        attn_drop_rate: float = 0.0,
        drop_path_rate: float = 0.2,
    ) -> None:
        super().__init__()
        self.image_size = image_size
        self.patch_embed = PatchEmbed(PATCH_SIZE, width, norm=True)
        self.pos_drop = nn.Dropout(drop_rate)
        self.layers = nn.LayerList()
        rates = iter(drop_rates(drop_path_rate, sum(depths)))
        for stage, (depth, heads) in enumerate(zip(depths, num_heads)):
            width = width if stage == 0 else 2 * width
            grid = image_size // PATCH_SIZE >> stage
            size = min(window, grid)
            attention = partial(
                CosineAttention,
                width,
                heads,
                size,
                pretrained_windows[stage] if pretrained_windows else size,
                dropout=drop_rate,
                attention_dropout=attn_drop_rate,
            )
            block = partial(Block, width, window=size, grid=grid, dropout=drop_rate)
            blocks = (
                block(attention=attention(), shifted=index % 2 == 1, drop_path=next(rates)) for index in range(depth)
            )
            parts: list[tuple[str, nn.Layer]] = [("blocks", nn.Sequential(*blocks))]
            if stage < len(depths) - 1:
                parts.append(("downsample", PatchMerging(width)))
            self.layers.append(nn.Sequential(*parts))
        self.num_features = width
        self.norm = LayerNorm(width)
        self.avgpool = GlobalAvgPool("NHWC")
        self.head = Head(width, class_num, std=0.02)
        draw_linears(self)

    def features(self, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        check_image_size(images_NCHW, self.image_size, self.image_size)
        x = self.pos_drop(self.patch_embed(images_NCHW))
        for stage in self.layers:
            x = stage(x)
        return self.avgpool(self.norm(x)).flatten(1)


tiny = partial(SwinTransformerV2, 256, 96, (2, 2, 6, 2), (3, 6, 12, 24))
small = partial(SwinTransformerV2, 256, 96, (2, 2, 18, 2), (3, 6, 12, 24), drop_path_rate=0.3)
base = partial(SwinTransformerV2, 256, 128, (2, 2, 18, 2), (4, 8, 16, 32), drop_path_rate=0.5)
base_384 = partial(SwinTransformerV2, 384, 128, (2, 2, 18, 2), (4, 8, 16, 32))
large = partial(SwinTransformerV2, 256, 192, (2, 2, 18, 2), (6, 12, 24, 48))
large_384 = partial(SwinTransformerV2, 384, 192, (2, 2, 18, 2), (6, 12, 24, 48))
IMAGENET_22K_WINDOWS = (12, 12, 12, 6)

VARIANTS = {
    "SwinTransformerV2_tiny_patch4_window8_256": partial(tiny, 8),
    "SwinTransformerV2_tiny_patch4_window16_256": partial(tiny, 16),
    "SwinTransformerV2_small_patch4_window8_256": partial(small, 8),
    "SwinTransformerV2_small_patch4_window16_256": partial(small, 16),
    "SwinTransformerV2_base_patch4_window8_256": partial(base, 8),
    "SwinTransformerV2_base_patch4_window16_256": partial(base, 16),
    "SwinTransformerV2_base_patch4_window24_384": partial(base_384, 24, IMAGENET_22K_WINDOWS),
    "SwinTransformerV2_large_patch4_window16_256": partial(large, 16, IMAGENET_22K_WINDOWS),
    "SwinTransformerV2_large_patch4_window24_384": partial(large_384, 24, IMAGENET_22K_WINDOWS),
}
