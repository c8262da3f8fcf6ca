"""UniFormer: blocks of convolutions in the first two stages, of attention in the last two.

Source: https://arxiv.org/abs/2201.09450, section 3 and table 1. Names in the state dict and weights: PaddleClas
(Apache-2.0), whose weights are converted from the authors' (Apache-2.0).
"""

from functools import partial
from typing import Any, Optional

import paddle
from paddle import nn

from ppcls.models.layers import (
    Act,
    Attention,
    BatchNorm,
    ConvMlp,
    DropPath,
    Head,
    LayerNorm2D,
    TransformerBlock,
    draw_linears,
    drop_rates,
)
from ppcls.models.model import Model

WIDTHS = (64, 128, 320, 512)
MLP_RATIO = 4
Four = tuple[int, int, int, int]


def positions(width: int) -> nn.Conv2D:
    """Return the depthwise convolution whose result tells of positions."""
    return nn.Conv2D(width, width, 3, padding=1, groups=width)


class NamedConvMlp(ConvMlp):
    """ConvMlp by UniFormer's names."""

    conv_names = ("fc1_conv", "fc2_conv")


class ConvBlock(nn.Layer):
    """A transformer's block whose attention is a depthwise 5x5 convolution (equations 4 and 5)."""

    def __init__(self, width: int, drop_path: float) -> None:
        super().__init__()
        self.pos_embed = positions(width)
        self.norm1 = BatchNorm(width)
        self.conv1 = nn.Conv2D(width, width, 1)
        self.conv2 = nn.Conv2D(width, width, 1)
        self.attn = nn.Conv2D(width, width, 5, padding=2, groups=width)
        self.drop_path = DropPath(drop_path)
        self.norm2 = BatchNorm(width)
        self.mlp = NamedConvMlp(width, MLP_RATIO * width, act="gelu")

    def forward(self, x_NCHW: paddle.Tensor) -> paddle.Tensor:
        x = x_NCHW + self.pos_embed(x_NCHW)
        x = x + self.drop_path(self.conv2(self.attn(self.conv1(self.norm1(x)))))
        return x + self.drop_path(self.mlp(self.norm2(x)))


class AttentionBlock(TransformerBlock):
    """A transformer's block on images [N, width, H, W], after positions are added."""

    def __init__(self, width: int, num_heads: int, **options: Any) -> None:
        super().__init__(width, Attention(width, num_heads), mlp_ratio=MLP_RATIO, epsilon=1e-6, **options)
        self.pos_embed = positions(width)

    def forward(self, x_NCHW: paddle.Tensor) -> paddle.Tensor:
        x = x_NCHW + self.pos_embed(x_NCHW)
        tokens = super().forward(x.flatten(2).transpose([0, 2, 1]))
        return tokens.transpose([0, 2, 1]).reshape(x.shape)


class PatchEmbed(nn.Layer):
    """A convolution of patches beside each other, and the norm of each pixel."""

    def __init__(self, in_channels: int, width: int, patch_size: int) -> None:
        super().__init__()
        self.norm = LayerNorm2D(width, epsilon=1e-5)
        self.proj_conv = nn.Conv2D(in_channels, width, patch_size, stride=patch_size)

    def forward(self, x_NCHW: paddle.Tensor) -> paddle.Tensor:
        return self.norm(self.proj_conv(x_NCHW))


class OverlappingEmbed(nn.Layer):
    """Strided 3x3 convolutions with norms, and activations between."""

    def __init__(self, *widths: int) -> None:
        super().__init__()
        layers: list[nn.Layer] = []
        for in_channels, out_channels in zip(widths, widths[1:]):
            conv = nn.Conv2D(in_channels, out_channels, 3, stride=2, padding=1)
            layers += [conv, BatchNorm(out_channels), Act("gelu")]
        self.proj = nn.Sequential(*layers[:-1])

    def forward(self, x_NCHW: paddle.Tensor) -> paddle.Tensor:
        return self.proj(x_NCHW)


class UniFormer(Model):
    """Images [N, 3, H, W], of multiples of 32 pixels, -> logits [N, class_num].

    `overlaps`: patches do. `layer_scale`: see TransformerBlock.
    """

    head_name = "head"

    def __init__(
        self,
        depths: Four,
        head_width: int = 64,
        overlaps: bool = False,
        layer_scale: Optional[float] = None,
        *,
        class_num: int = 1000,
        drop_path_rate: float = 0.1,
    ) -> None:
        super().__init__()
        rates = iter(drop_rates(drop_path_rate, sum(depths)))
        in_channels = 3
        for stage, (width, depth) in enumerate(zip(WIDTHS, depths), start=1):
            if overlaps:
                embed = OverlappingEmbed(3, width // 2, width) if stage == 1 else OverlappingEmbed(in_channels, width)
            else:
                embed = PatchEmbed(in_channels, width, 4 if stage == 1 else 2)
            self.add_sublayer(f"patch_embed{stage}", embed)
            blocks = (
                ConvBlock(width, rate)
                if stage < 3
                else AttentionBlock(width, width // head_width, drop_path=rate, layer_scale=layer_scale)
                for rate in (next(rates) for _ in range(depth))
            )
            self.add_sublayer(f"blocks{stage}", nn.Sequential(*blocks))
            in_channels = width
        self.num_features = in_channels
        self.norm = BatchNorm(in_channels)
        self.head = Head(in_channels, class_num, std=0.02)
        draw_linears(self)

    def features(self, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        x = images_NCHW
        for stage in range(1, 5):
            x = getattr(self, f"blocks{stage}")(getattr(self, f"patch_embed{stage}")(x))
        return self.norm(x).mean([2, 3])


VARIANTS = {
    "UniFormer_small": partial(UniFormer, (3, 4, 8, 3)),
    "UniFormer_small_plus": partial(UniFormer, (3, 5, 9, 3), 32, True),
    "UniFormer_small_plus_dim64": partial(UniFormer, (3, 5, 9, 3), 64, True),
    "UniFormer_base": partial(UniFormer, (5, 8, 20, 7), drop_path_rate=0.3),
    "UniFormer_base_ls": partial(UniFormer, (5, 8, 20, 7), 64, False, 1e-6, drop_path_rate=0.3),
}
