"""CvT: transformers whose patches overlap, and whose queries, keys and values come from convolutions.

Source: https://arxiv.org/abs/2103.15808, section 3 and table 2, with PaddleClas's scale of the scores and activation.
Names in the state dict and weights: PaddleClas (Apache-2.0), whose weights are converted from Microsoft's (MIT).
"""

from functools import partial

import paddle
from paddle import nn

from ppcls.models.layers import (
    ConvNormAct,
    Head,
    LayerNorm,
    Linear,
    Mlp,
    TransformerBlock,
    attend,
    draw_linears,
    drop_rates,
    for_each_image,
    split_heads,
    truncated_normal,
)
from ppcls.models.model import Model

Three = tuple[int, int, int]
# Patch size, stride and padding of each stage.
PATCHES = ((7, 4, 2), (3, 2, 1), (3, 2, 1))
PARTS = ("q", "k", "v")


class ConvAttention(nn.Layer):
    """Attention of tokens [N, L, width], of which the last rows * columns are an image.

    Its keys and values are of half the height and width. Scores are scaled by the whole width, not by a head's.
    """

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.scale = width**-0.5
        for part in PARTS:
            conv = ConvNormAct(width, width, 3, stride=1 if part == "q" else 2, groups=width)
            self.add_sublayer(f"conv_proj_{part}", conv)
        for part in PARTS:
            self.add_sublayer(f"proj_{part}", Linear(width, width))
        self.proj = Linear(width, width)

    def forward(self, x: paddle.Tensor, rows: int, columns: int) -> paddle.Tensor:
        num_extra = x.shape[1] - rows * columns
        image_NCHW = x[:, num_extra:].transpose([0, 2, 1]).reshape([0, -1, rows, columns])
        heads = []
        for part in PARTS:
            tokens = getattr(self, f"conv_proj_{part}")(image_NCHW).flatten(2).transpose([0, 2, 1])
            tokens = paddle.concat([x[:, :num_extra], tokens], axis=1) if num_extra else tokens
            heads += split_heads(getattr(self, f"proj_{part}")(tokens), self.num_heads, 1)
        queries, keys, values = heads
        return self.proj(attend(queries * self.scale, keys, values))


class ConvEmbed(nn.Layer):
    """A strided convolution, whose tokens are normalised."""

    def __init__(self, in_channels: int, width: int, patch_size: int, stride: int, padding: int) -> None:
        super().__init__()
        self.proj = nn.Conv2D(in_channels, width, patch_size, stride=stride, padding=padding)
        self.norm = LayerNorm(width)

    def forward(self, x_NCHW: paddle.Tensor) -> paddle.Tensor:
        return self.norm(self.proj(x_NCHW).transpose([0, 2, 3, 1]))


class Stage(nn.Layer):
    """Patches, the class token if there is one, and blocks."""

    def __init__(self, embed: ConvEmbed, blocks: list[TransformerBlock], width: int, *, has_token: bool) -> None:
        super().__init__()
        self.patch_embed = embed
        self.blocks = nn.LayerList(blocks)
        self.cls_token = None
        if has_token:
            self.cls_token = self.create_parameter([1, 1, width])
            truncated_normal(self.cls_token)

    def forward(self, x_NCHW: paddle.Tensor) -> paddle.Tensor:
        """Return the class token of each image, [N, width]; without one, images [N, width, rows, columns]."""
        x_NHWC = self.patch_embed(x_NCHW)
        _, rows, columns, width = x_NHWC.shape
        tokens = x_NHWC.flatten(1, 2)
        if self.cls_token is not None:
            tokens = paddle.concat([for_each_image(self.cls_token, x_NHWC), tokens], axis=1)
        for block in self.blocks:
            tokens = block(tokens, rows, columns)
        if self.cls_token is not None:
            return tokens[:, 0]
        return tokens.transpose([0, 2, 1]).reshape([-1, width, rows, columns])


class CvT(Model):
    """Images [N, 3, H, W] -> logits [N, class_num]. Stochastic depth is in the last stage alone."""

    head_name = "head"

    def __init__(
        self, widths: Three, depths: Three, num_heads: Three, *, class_num: int = 1000, drop_path_rate: float = 0.1
    ) -> None:
        super().__init__()
        in_channels = 3
        for stage, (patches, width, depth, heads) in enumerate(zip(PATCHES, widths, depths, num_heads)):
            is_last = stage == len(PATCHES) - 1
            blocks = [
                TransformerBlock(
                    width, ConvAttention(width, heads), Mlp(width, 4 * width, act="quick_gelu"), drop_path=rate
                )
                for rate in drop_rates(drop_path_rate if is_last else 0.0, depth)
            ]
            embed = ConvEmbed(in_channels, width, *patches)
            self.add_sublayer(f"stage{stage}", Stage(embed, blocks, width, has_token=is_last))
            in_channels = width
        self.num_features = in_channels
        self.norm = LayerNorm(in_channels)
        self.head = Head(in_channels, class_num, std=0.02)
        draw_linears(self)

    def features(self, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        return self.norm(self.stage2(self.stage1(self.stage0(images_NCHW))))


cvt_13 = partial(CvT, (64, 192, 384), (1, 2, 10), (1, 3, 6))
cvt_21 = partial(CvT, (64, 192, 384), (1, 4, 16), (1, 3, 6))
VARIANTS = {
    "CvT_13_224": cvt_13,
    "CvT_13_384": cvt_13,
    "CvT_21_224": cvt_21,
    "CvT_21_384": cvt_21,
    "CvT_W24_384": partial(CvT, (192, 768, 1024), (2, 2, 20), (3, 12, 16), drop_path_rate=0.3),
}
