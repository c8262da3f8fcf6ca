"""MobileViTV3: local features are fused with global ones, in the forms of MobileViT and of MobileViTV2.

Source: https://arxiv.org/abs/2209.15159, figure 1 and tables 1 and 2; L2: less deep in the fourth stage. Names in the
state dict and weights: PaddleClas (Apache-2.0).
"""

from functools import partial

import paddle
from paddle import nn

from ppcls.models.layers import (
    Act,
    LayerNorm,
    Linear,
    attend,
    draw_by_fan_out,
    draw_linears,
    fold_patches,
    split_heads,
    unfold_patches,
)
from ppcls.models.mobilevit import as_patches, as_tokens
from ppcls.models.mobilevitv2 import (
    PATCH_SIZE,
    MobileViTV2,
    MobileViTV2Block,
    Plan,
    conv,
    draw_uniform,
    scaled_plan,
)

NUM_HEADS = 4


class SelfAttention(nn.Layer):
    """Multi-head self-attention by the names of this family."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv_proj = Linear(width, 3 * width)
        self.out_proj = Linear(width, width)
        self.scale = (width // NUM_HEADS) ** -0.5

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        queries, keys, values = split_heads(self.qkv_proj(x), NUM_HEADS, 3)
        return self.out_proj(attend(queries * self.scale, keys, values))


class Encoder(nn.Layer):
    """Attention and an MLP, each on a shortcut's side, normalised before and dropped out after."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.pre_norm_mha = nn.Sequential(LayerNorm(width), SelfAttention(width), nn.Dropout(dropout))
        self.pre_norm_ffn = nn.Sequential(
            LayerNorm(width),
            Linear(width, 2 * width),
            Act("silu"),
            nn.Identity(),
            Linear(2 * width, width),
            nn.Dropout(dropout),
        )

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = x + self.pre_norm_mha(x)
        return x + self.pre_norm_ffn(x)


class MobileViTV3Block(nn.Layer):
    """Convolutions, a transformer of patches, both fused by a 1x1 convolution; a shortcut is around all."""

    def __init__(self, channels: int, width: int, depth: int, dropout: float) -> None:
        super().__init__()
        self.local_rep = nn.Sequential(
            ("conv_3x3", conv(channels, channels, 3, groups=channels)),
            ("conv_1x1", nn.Sequential(("conv", nn.Conv2D(channels, width, 1, bias_attr=False)))),
        )
        self.global_rep = nn.Sequential(*(Encoder(width, dropout) for _ in range(depth)), LayerNorm(width))
        self.conv_proj = conv(width, channels, 1)
        self.fusion = conv(width + channels, channels, 1)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        local = self.local_rep(x)
        height, width = x.shape[2:]
        tokens = self.global_rep(as_tokens(unfold_patches(local, PATCH_SIZE)))
        y = self.conv_proj(fold_patches(as_patches(tokens), PATCH_SIZE, height, width))
        return x + self.fusion(paddle.concat([local, y], axis=1))


class MobileViTV3(MobileViTV2):
    """The form of MobileViT; `dropout`: in the transformers, `classifier_dropout`: before the head."""

    def __init__(
        self, plan: Plan, *, class_num: int = 1000, dropout: float = 0.1, classifier_dropout: float = 0.1
    ) -> None:
        nn.Layer.__init__(self)
        self.encoder_dropout = dropout
        self.add_layers(plan, class_num, dropout=classifier_dropout, head_std=0.02)
        draw_by_fan_out(self)
        draw_linears(self)

    def block(self, channels: int, width: int, depth: int) -> nn.Layer:
        return MobileViTV3Block(channels, width, depth, self.encoder_dropout)


class LinearMobileViTV3(MobileViTV2):
    """The form of MobileViTV2; `classifier_dropout`: before the head."""

    def __init__(self, plan: Plan, *, class_num: int = 1000, classifier_dropout: float = 0.1) -> None:
        nn.Layer.__init__(self)
        self.add_layers(plan, class_num, dropout=classifier_dropout)
        draw_uniform(self)

    def block(self, channels: int, width: int, depth: int) -> nn.Layer:
        return MobileViTV2Block(channels, width, depth, fusion=True)


XXS = Plan(16, (16, 24, 64, 80, 128), (64, 80, 96), second_depth=3, last=512)
XS = Plan(16, (32, 48, 96, 160, 160), (96, 120, 144), second_depth=3, expansion=4, last=640)
S = Plan(16, (32, 64, 128, 256, 320), (144, 192, 240), second_depth=3, expansion=4, last=960)
L2 = (2, 2, 3)

VARIANTS = {
    "MobileViTV3_XXS": partial(MobileViTV3, XXS),
    "MobileViTV3_XS": partial(MobileViTV3, XS),
    "MobileViTV3_S": partial(MobileViTV3, S),
    "MobileViTV3_XXS_L2": partial(MobileViTV3, XXS._replace(depths=L2)),
    "MobileViTV3_XS_L2": partial(MobileViTV3, XS._replace(depths=L2)),
    "MobileViTV3_S_L2": partial(MobileViTV3, S._replace(depths=L2)),
    "MobileViTV3_x0_5": partial(LinearMobileViTV3, scaled_plan(0.5)),
    "MobileViTV3_x0_75": partial(LinearMobileViTV3, scaled_plan(0.75)),
    "MobileViTV3_x1_0": partial(LinearMobileViTV3, scaled_plan(1.0)),
}
