"""Twins: PVT with positions from convolutions (pcpvt), and with attention in windows between (alt_gvt, Twins-SVT).

Source: https://arxiv.org/abs/2104.13840, section 3 and tables 1 and 2. Names in the state dict and weights: PaddleClas
(Apache-2.0), whose weights are converted from the authors' (Apache-2.0).
"""

from functools import partial
from typing import Any, Optional

import paddle
from paddle import nn

from ppcls.config.groups import Group
from ppcls.models.layers import (
    Attention,
    Head,
    LayerNorm,
    PatchEmbed,
    ReducedAttention,
    TransformerBlock,
    Windows,
    attend_in_windows,
    draw_by_fan_out,
    draw_linears,
    drop_rates,
)
from ppcls.models.model import Model

EPSILON = 1e-6
REDUCTIONS = (8, 4, 2, 1)
Four = tuple[int, int, int, int]


class WindowBlock(TransformerBlock):
    """A transformer's block on images [N, H, W, width] whose attention stays within windows."""

    def __init__(self, width: int, attention: Attention, window: int, **options: Any) -> None:
        super().__init__(width, attention, **options)
        self.windows = Windows(window)

    def attend(self, x_NHWC: paddle.Tensor) -> Any:
        return attend_in_windows(self.attn, x_NHWC, self.windows)


class Positions(nn.Layer):
    """What a depthwise convolution tells of positions, added to the image. Source: https://arxiv.org/abs/2102.10882."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Sequential(nn.Conv2D(width, width, 3, padding=1, groups=width))

    def forward(self, x_NHWC: paddle.Tensor) -> paddle.Tensor:
        return x_NHWC + self.proj(x_NHWC.transpose([0, 3, 1, 2])).transpose([0, 2, 3, 1])


class Twins(Model):
    """Images [N, 3, H, W] -> logits [N, class_num]; the attention of every other block is in windows, if any."""

    head_name = "head"
    param_groups = (Group(r"^pos_block\.", weight_decay=0.0),)

    def __init__(
        self,
        widths: Four,
        depths: Four,
        num_heads: Four,
        mlp_ratios: Four,
        window: Optional[int] = None,
        *,
        class_num: int = 1000,
        drop_rate: float = 0.0,
        attn_drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
    ) -> None:
        super().__init__()
        self.patch_embeds, self.pos_block, self.blocks = nn.LayerList(), nn.LayerList(), nn.LayerList()
        self.pos_drop = nn.Dropout(drop_rate)
        rates = iter(drop_rates(drop_path_rate, sum(depths)))
        dropouts: dict[str, Any] = {"dropout": drop_rate, "attention_dropout": attn_drop_rate}
        in_channels = 3
        for stage, (width, heads, ratio) in enumerate(zip(widths, num_heads, REDUCTIONS)):
            patch_size = 4 if stage == 0 else 2
            self.patch_embeds.append(PatchEmbed(patch_size, width, in_channels=in_channels, norm=True))
            self.pos_block.append(Positions(width))
            blocks = nn.LayerList()
            for index in range(depths[stage]):
                options: dict[str, Any] = {
                    "mlp_ratio": mlp_ratios[stage],
                    "dropout": drop_rate,
                    "drop_path": next(rates),
                }
                if window is not None and index % 2 == 0:
                    attention = Attention(width, heads, **dropouts)
                    blocks.append(WindowBlock(width, attention, window, epsilon=EPSILON, **options))
                else:
                    reduced = ReducedAttention(width, heads, ratio, **dropouts)
                    blocks.append(TransformerBlock(width, reduced, epsilon=EPSILON, **options))
            self.blocks.append(blocks)
            in_channels = width
        self.num_features = in_channels
        self.norm = LayerNorm(in_channels, epsilon=EPSILON)
        self.head = Head(in_channels, class_num, std=0.02)
        draw_linears(self)
        draw_by_fan_out(self, of_each_group=True)

    def features(self, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        x_NCHW = images_NCHW
        for embed, positions, blocks in zip(self.patch_embeds, self.pos_block, self.blocks):
            x = positions(blocks[0](self.pos_drop(embed(x_NCHW))))
            for block in blocks[1:]:
                x = block(x)
            x_NCHW = x.transpose([0, 3, 1, 2])
        return self.norm(x).mean([1, 2])


pcpvt = partial(Twins, (64, 128, 320, 512))
PCPVT_HEADS, PCPVT_RATIOS = (1, 2, 5, 8), (8, 8, 4, 4)
RATIOS = (4, 4, 4, 4)
VARIANTS = {
    "pcpvt_small": partial(pcpvt, (3, 4, 6, 3), PCPVT_HEADS, PCPVT_RATIOS),
    "pcpvt_base": partial(pcpvt, (3, 4, 18, 3), PCPVT_HEADS, PCPVT_RATIOS),
    "pcpvt_large": partial(pcpvt, (3, 8, 27, 3), PCPVT_HEADS, PCPVT_RATIOS),
    "alt_gvt_small": partial(Twins, (64, 128, 256, 512), (2, 2, 10, 4), (2, 4, 8, 16), RATIOS, 7),
    "alt_gvt_base": partial(Twins, (96, 192, 384, 768), (2, 2, 18, 2), (3, 6, 12, 24), RATIOS, 7),
    "alt_gvt_large": partial(Twins, (128, 256, 512, 1024), (2, 2, 18, 2), (4, 8, 16, 32), RATIOS, 7),
}
