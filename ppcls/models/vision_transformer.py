"""ViT: an image as a sequence of patches, and a transformer's encoder.

Source: https://arxiv.org/abs/2010.11929, section 3 and table 1; the small one is timm's first. Names in the state dict
and weights: PaddleClas (Apache-2.0), whose weights are converted from timm's and Google's (Apache-2.0).
"""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal, Optional

import paddle
from paddle import nn

from ppcls.models.layers import (
    Activation,
    Attention,
    Head,
    LayerNorm,
    PatchEmbed,
    RelativeAttention,
    TransformerBlock,
    draw_linears,
    drop_rates,
    for_each_image,
    positions_for,
    relative_positions_with_class_token,
    truncated_normal,
)
from ppcls.models.model import Model, check_image_size


@dataclass(frozen=True)
class Form:
    """What makes one vision transformer.

    `positions`: embeddings that are added to the patches, biases of the attention for offsets, or both. Blocks with
    such biases are BEiT's, which also scale their branches by learned factors, zero at first.
    `pooling`: what the head takes, see FoundationViT; `act`: of the MLPs.
    """

    width: int
    depth: int
    num_heads: int
    patch_size: int = 16
    image_size: int = 224
    mlp_ratio: float = 4.0
    qkv_bias: bool = True
    attention_scale: Optional[float] = None
    epsilon: float = 1e-6
    patch_bias: bool = True
    norm_before: bool = False
    positions: Literal["absolute", "relative", "both"] = "absolute"
    pooling: Literal["class token", "first patch", "mean"] = "class token"
    act: Activation = "gelu"

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        return (self.image_size // self.patch_size, self.image_size // self.patch_size)


class VisionTransformer(Model):
    """Images [N, 3, H, W] -> logits [N, class_num].

    Position embeddings are resized where images are not of the form's size; biases for offsets can't be.
    """

    head_name = "head"
    only_layers = True
    # Those of tokens that are no patches, in their order.
    token_names: ClassVar[tuple[str, ...]] = ("cls_token",)

    def __init__(
        self,
        form: Form,
        *,
        class_num: int = 1000,
        drop_rate: float = 0.0,
        attn_drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
    ) -> None:
        super().__init__()
        self.form = form
        self.num_features = form.width
        self.patch_embed = PatchEmbed(form.patch_size, form.width, bias=form.patch_bias)
        self.ln_pre = LayerNorm(form.width) if form.norm_before else nn.Identity()
        self.pos_drop = nn.Dropout(drop_rate)
        attention = partial(self._attention, dropout=drop_rate, attention_dropout=attn_drop_rate)
        block = partial(
            TransformerBlock,
            form.width,
            mlp_ratio=form.mlp_ratio,
            act=form.act,
            epsilon=form.epsilon,
            dropout=drop_rate,
            layer_scale=None if form.positions == "absolute" else 0.0,
        )
        rates = drop_rates(drop_path_rate, form.depth)
        self.blocks = nn.LayerList(block(attention(), drop_path=rate) for rate in rates)
        self.norm = LayerNorm(form.width, epsilon=form.epsilon)
        draw_linears(self)
        for name in self.token_names:
            setattr(self, name, self._embedding(1))
        num_patches = form.grid[0] * form.grid[1]
        self.pos_embed = None if form.positions == "relative" else self._embedding(len(self.token_names) + num_patches)
        self._add_head(class_num)

    def _attention(self, *, dropout: float, attention_dropout: float) -> Attention:
        form = self.form
        options = {"dropout": dropout, "attention_dropout": attention_dropout}
        if form.positions == "absolute":
            scale, bias = form.attention_scale, form.qkv_bias
            return Attention(form.width, form.num_heads, scale=scale, qkv_bias=bias, **options)
        return RelativeAttention(form.width, form.num_heads, relative_positions_with_class_token(*form.grid), **options)

    def _add_head(self, class_num: int) -> None:
        self.head = Head(self.form.width, class_num, std=0.02)

    def _embedding(self, length: int) -> paddle.Tensor:
        embedding = self.create_parameter([1, length, self.form.width])
        truncated_normal(embedding)
        return embedding

    def encode(self, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        """Return the tokens after the last block, the extra ones first: [N, extra + patches, width]."""
        patches = self.patch_embed(images_NCHW)
        _, rows, columns, _ = patches.shape
        if self.form.positions != "absolute":
            check_image_size(images_NCHW, self.form.image_size, self.form.image_size)
        tokens = [for_each_image(getattr(self, name), patches) for name in self.token_names]
        x = paddle.concat([*tokens, patches.flatten(1, 2).astype(tokens[0].dtype)], axis=1)
        if self.pos_embed is not None:
            positions = positions_for(self.pos_embed, self.form.grid, rows, columns, num_extra=len(tokens))
            x = x + positions
        x = self.pos_drop(self.ln_pre(x.astype(patches.dtype)))
        for block in self.blocks:
            x = block(x)
        return x

    def features(self, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        return self.norm(self.encode(images_NCHW)[:, 0])


VARIANTS = {
    "ViT_small_patch16_224": partial(
        VisionTransformer,
        Form(768, 8, 8, mlp_ratio=3.0, qkv_bias=False, attention_scale=768**-0.5, epsilon=1e-5),
    ),
    "ViT_base_patch16_224": partial(VisionTransformer, Form(768, 12, 12)),
    "ViT_base_patch16_384": partial(VisionTransformer, Form(768, 12, 12, image_size=384)),
    "ViT_base_patch32_384": partial(VisionTransformer, Form(768, 12, 12, 32, 384)),
    "ViT_large_patch16_224": partial(VisionTransformer, Form(1024, 24, 16)),
    "ViT_large_patch16_384": partial(VisionTransformer, Form(1024, 24, 16, image_size=384)),
    "ViT_large_patch32_384": partial(VisionTransformer, Form(1024, 24, 16, 32, 384)),
}
