"""Vision transformers that learned from captions or without labels: CLIP, BEiT v2, CAE, EVA, MoCo v3 and MAE.

Source: https://arxiv.org/abs/2103.00020 (CLIP), 2208.06366 (BEiT v2), 2202.03026 (CAE), 2211.07636 (EVA), 2104.02057
(MoCo v3), 2111.06377 (MAE). Names in the state dict and weights: PaddleClas (Apache-2.0), whose weights are converted
from the authors'.
"""

from dataclasses import replace
from functools import partial
from typing import Literal

import paddle
from paddle import nn

from ppcls.models.layers import Head, LayerNorm, truncated_normal
from ppcls.models.vision_transformer import Form, VisionTransformer

EMBEDDING_WIDTH = 512


class PooledHead(nn.Layer):
    """The head, and the norm before it of models that take the mean of the patches."""

    def __init__(self, form: Form, class_num: int) -> None:
        super().__init__()
        self.fc_norm = LayerNorm(form.width) if form.pooling == "mean" else nn.Identity()
        self.fc_head = Head(form.width, class_num, std=0.02) if class_num else nn.Identity()


class FoundationViT(VisionTransformer):
    """Images [N, 3, H, W] -> logits [N, class_num], features for `class_num: 0`, or embeddings.

    The head takes the class token, the first patch (as PaddleClas does with CLIP's base model, whose embeddings also
    are without the class token), or the mean of the patches.
    `return_embed` gives the projected embeddings of all tokens instead, [N, tokens, 512]; `return_mean_embed` their
    mean, [N, 512]. `head_init_scale` multiplies the first weights of the head. `act`: of the MLPs; OpenAI trained CLIP
    with quick_gelu, which PaddleClas does not compute.
    """

    head_name = "head.fc_head"

    def __init__(
        self,
        form: Form,
        *,
        class_num: int = 1000,
        drop_rate: float = 0.0,
        attn_drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
        return_embed: bool = False,
        return_mean_embed: bool = False,
        head_init_scale: float = 0.001,
        act: Literal["gelu", "quick_gelu"] = "gelu",
    ) -> None:
        if return_mean_embed and not return_embed:
            raise ValueError("return_mean_embed: acts on embeddings; set return_embed to True")
        super().__init__(
            replace(form, act=act),
            class_num=0 if return_embed else class_num,
            drop_rate=drop_rate,
            attn_drop_rate=attn_drop_rate,
            drop_path_rate=drop_path_rate,
        )
        self.return_embed, self.return_mean_embed = return_embed, return_mean_embed
        normal = nn.initializer.Normal(std=form.width**-0.5)
        self.proj = self.create_parameter([form.width, EMBEDDING_WIDTH], default_initializer=normal)
        if return_embed:
            self.num_features = EMBEDDING_WIDTH
        else:
            self.proj.stop_gradient = True  # there for its weights alone
        if isinstance(self.head.fc_head, Head):
            truncated_normal(self.head.fc_head.weight, std=0.02 * head_init_scale)

    def _add_head(self, class_num: int) -> None:
        self.head = PooledHead(self.form, class_num)

    def reset_head(self, class_num: int) -> None:
        self.head.fc_head = Head(self.num_features, class_num, std=0.02)

    def features(self, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        tokens = self.encode(images_NCHW)
        if self.return_embed:
            tokens = tokens[:, 1:] if self.form.pooling == "first patch" else tokens
            embeddings = paddle.matmul(self.norm(tokens), self.proj)
            return embeddings.mean(1) if self.return_mean_embed else embeddings
        if self.form.pooling == "mean":
            return self.head.fc_norm(self.norm(tokens[:, 1:]).mean(1))
        return self.norm(tokens[:, 1 if self.form.pooling == "first patch" else 0])


ClipForm = partial(Form, epsilon=1e-5, patch_bias=False, norm_before=True)
PlainForm = partial(Form, epsilon=1e-5, patch_bias=False)
BeitForm = partial(Form, patch_bias=False, positions="relative")
CaeForm = partial(Form, patch_bias=False, positions="both")

VARIANTS = {
    "CLIP_vit_base_patch32_224": partial(FoundationViT, ClipForm(768, 12, 12, 32)),
    "CLIP_vit_base_patch16_224": partial(FoundationViT, ClipForm(768, 12, 12, pooling="first patch")),
    "CLIP_vit_large_patch14_224": partial(FoundationViT, ClipForm(1024, 24, 16, 14)),
    "CLIP_vit_large_patch14_336": partial(FoundationViT, ClipForm(1024, 24, 16, 14, 336)),
    "MOCOV3_vit_small": partial(FoundationViT, PlainForm(384, 12, 12)),
    "MOCOV3_vit_base": partial(FoundationViT, PlainForm(768, 12, 12)),
    "MAE_vit_base_patch16": partial(FoundationViT, PlainForm(768, 12, 12)),
    "MAE_vit_large_patch16": partial(FoundationViT, PlainForm(1024, 24, 16)),
    "MAE_vit_huge_patch14": partial(FoundationViT, PlainForm(1280, 32, 16, 14, pooling="mean")),
    "EVA_vit_giant_patch14": partial(FoundationViT, PlainForm(1408, 40, 16, 14, mlp_ratio=4.3637), class_num=0),
    "BEiTv2_vit_base_patch16_224": partial(FoundationViT, BeitForm(768, 12, 12)),
    "BEiTv2_vit_large_patch16_224": partial(FoundationViT, BeitForm(1024, 24, 16)),
    "CAE_vit_base_patch16_224": partial(FoundationViT, CaeForm(768, 12, 12)),
}
