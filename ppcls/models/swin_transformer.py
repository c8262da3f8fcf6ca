"""Swin Transformer: attention in windows that shift from block to block.

Source: https://arxiv.org/abs/2103.14030, section 3 and table 7. Names in the state dict and weights: PaddleClas
(Apache-2.0), whose weights are converted from Microsoft's (MIT).
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar, Optional

import paddle
from paddle import nn

from ppcls.models.layers import (
    Flatten,
    GlobalAvgPool,
    Head,
    LayerNorm,
    Linear,
    PatchEmbed,
    RelativeAttention,
    TransformerBlock,
    Windows,
    attend_in_windows,
    draw_linears,
    drop_rates,
    pad_to_multiples,
    relative_positions,
    split_windows,
    truncated_normal,
)
from ppcls.models.model import Model

PATCH_SIZE = 4


def shift_mask(height: int, width: int, window: int) -> paddle.Tensor:
    """Return what keeps tokens apart that only the shift brought into one window, [windows, 1, L, L] of 0 and -100.

    L is window * window. Source: section 3.2, figure 4.
    """
    y, x = (
        sum((paddle.arange(size) >= size - rest).astype("int32") for rest in (window, window // 2))
        for size in (height, width)
    )
    regions = split_windows((3 * y.unsqueeze(1) + x).reshape([1, height, width, 1]), window, window).squeeze(2)
    return -100.0 * (regions.unsqueeze([1, 2]) != regions.unsqueeze([1, 3])).astype("float32")


class WindowAttention(RelativeAttention):
    """Attention within a square window, with small random biases at first."""

    def __init__(self, width: int, num_heads: int, window: int, **options: Any) -> None:
        super().__init__(width, num_heads, relative_positions(window, window), **options)
        truncated_normal(self.relative_position_bias_table)


class SwinBlock(TransformerBlock):
    """A transformer's block on images [N, H, W, width] whose attention stays within windows.

    Without a mask nothing is shifted.
    """

    def __init__(self, width: int, attention: nn.Layer, window: int, *, shifted: bool, **options: Any) -> None:
        super().__init__(width, attention, **options)
        self.windows = Windows(window, window // 2 if shifted else 0)

    def attend(self, x_NHWC: paddle.Tensor, mask: Optional[paddle.Tensor]) -> Any:
        """Attend in windows; the mask is for shifted ones."""
        windows = Windows(self.windows.size) if mask is None else self.windows
        return attend_in_windows(self.attn, x_NHWC, windows, mask if windows.shift else None)


class GatherPixels(nn.Layer):
    """The channels of each 2 x 2 pixels, column by column, as channels of one."""

    def __init__(self) -> None:
        super().__init__()
        self.columns = Windows(2, width=1)

    def forward(self, x_NHWC: paddle.Tensor) -> paddle.Tensor:
        x = pad_to_multiples(x_NHWC, 2, 2)
        _, height, width, channels = x.shape
        return self.columns(x).reshape([-1, height // 2, width // 2, 4 * channels])


class PatchMerging(nn.Layer):
    """Halve height and width: the channels of four pixels become twice the channels of one."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gather = GatherPixels()
        self.norm = LayerNorm(4 * width)
        self.reduction = Linear(4 * width, 2 * width, bias_attr=False)

    def forward(self, x_NHWC: paddle.Tensor) -> paddle.Tensor:
        return self.reduction(self.norm(self.gather(x_NHWC)))


class Stage(nn.Layer):
    """Blocks of which every second one is shifted, and what halves the image after them."""

    def __init__(
        self, blocks: Sequence[SwinBlock], downsample: Optional[nn.Layer], *, shift_single_windows: bool
    ) -> None:
        super().__init__()
        self.shift_single_windows = shift_single_windows
        self.blocks = nn.LayerList(blocks)
        self.downsample = downsample
        self.window = blocks[0].windows.size

    def forward(self, x_NHWC: paddle.Tensor) -> paddle.Tensor:
        height, width = (size + -size % self.window for size in x_NHWC.shape[1:3])
        shifts = self.shift_single_windows or max(height, width) > self.window
        mask = shift_mask(height, width, self.window) if shifts else None
        for block in self.blocks:
            x_NHWC = block(x_NHWC, mask)
        return x_NHWC if self.downsample is None else self.downsample(x_NHWC)


class SwinTransformer(Model):
    """Images [N, 3, H, W] of any size -> logits [N, class_num].

    `shift_single_windows`: windows are shifted even where one holds the whole image, as in PaddleClas and unlike
    Microsoft's, torchvision's and timm's.
    """

    head_name = "head"
    only_layers = True
    attention: ClassVar[type[nn.Layer]] = WindowAttention
    block: ClassVar[type[SwinBlock]] = SwinBlock
    merging: ClassVar[type[nn.Layer]] = PatchMerging

    def __init__(
        self,
        width: int,
        depths: tuple[int, int, int, int],
        num_heads: tuple[int, int, int, int],
        window: int = 7,
        *,
        class_num: int = 1000,
        drop_rate: float = 0.0,
        attn_drop_rate: float = 0.0,
        drop_path_rate: float = 0.1,
        shift_single_windows: bool = True,
    ) -> None:
        super().__init__()
        self.shift_single_windows = shift_single_windows
        self.patch_embed = PatchEmbed(PATCH_SIZE, width, norm=True)
        self.pos_drop = nn.Dropout(drop_rate)
        self.layers = nn.LayerList()
        rates = iter(drop_rates(drop_path_rate, sum(depths)))
        for stage, (depth, heads) in enumerate(zip(depths, num_heads)):
            width = width if stage == 0 else 2 * width
            blocks = []
            for index in range(depth):
                attention = self.attention(width, heads, window, dropout=drop_rate, attention_dropout=attn_drop_rate)
                blocks.append(
                    self.block(
                        width, attention, window, shifted=index % 2 == 1, dropout=drop_rate, drop_path=next(rates)
                    )
                )
            merging = self.merging(width) if stage < len(depths) - 1 else None
            self.layers.append(Stage(blocks, merging, shift_single_windows=shift_single_windows))
        self.num_features = width
        self.norm = LayerNorm(width)
        self.avgpool = GlobalAvgPool("NHWC")
        self.flatten = Flatten()
        self.head = Head(width, class_num, std=0.02)
        draw_linears(self)

    def features(self, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        x = self.pos_drop(self.patch_embed(images_NCHW))
        for stage in self.layers:
            x = stage(x)
        return self.flatten(self.avgpool(self.norm(x)))


VARIANTS = {
    "SwinTransformer_tiny_patch4_window7_224": partial(
        SwinTransformer, 96, (2, 2, 6, 2), (3, 6, 12, 24), drop_path_rate=0.2
    ),
    "SwinTransformer_small_patch4_window7_224": partial(
        SwinTransformer, 96, (2, 2, 18, 2), (3, 6, 12, 24), drop_path_rate=0.3
    ),
    "SwinTransformer_base_patch4_window7_224": partial(
        SwinTransformer, 128, (2, 2, 18, 2), (4, 8, 16, 32), drop_path_rate=0.5
    ),
    "SwinTransformer_base_patch4_window12_384": partial(
        SwinTransformer, 128, (2, 2, 18, 2), (4, 8, 16, 32), 12, drop_path_rate=0.5
    ),
    "SwinTransformer_large_patch4_window7_224": partial(SwinTransformer, 192, (2, 2, 18, 2), (6, 12, 24, 48)),
    "SwinTransformer_large_patch4_window12_384": partial(SwinTransformer, 192, (2, 2, 18, 2), (6, 12, 24, 48), 12),
}
