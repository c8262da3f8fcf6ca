"""CAE as PaddleClas fine-tunes it: a ViT with fixed positions, biases for offsets, and the mean of the patches.

Source: https://arxiv.org/abs/2202.03026, section 4; the positions, https://arxiv.org/abs/2104.02057, section 5. Names
in the state dict and weights: PaddleClas (Apache-2.0), whose weights are converted from Baidu's (Apache-2.0).
"""

from functools import partial
from typing import Any

import numpy as np
import paddle
from numpy.typing import NDArray
from paddle import nn

from ppcls.models.layers import (
    Attention,
    LayerNorm,
    RelativeAttention,
    keyless_bias,
    relative_positions_with_class_token,
    truncated_normal,
)
from ppcls.models.vision_transformer import Form, VisionTransformer

TEMPERATURE = 10000.0


class KeylessAttention(RelativeAttention):
    """RelativeAttention with biases of queries and values alone."""

    def __init__(self, width: int, num_heads: int, index: NDArray[np.int64], **options: Any) -> None:
        super().__init__(width, num_heads, index, qkv_bias=False, **options)
        self.q_bias = self.create_parameter([width], is_bias=True)
        self.v_bias = self.create_parameter([width], is_bias=True)

    def project(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.qkv(x) + keyless_bias(self.q_bias, self.v_bias)


def waves(grid: tuple[int, int], width: int) -> NDArray[np.float32]:
    """Return fixed positions of patches, float32 [1, 1 + patches, width]; that of the class token is zero."""
    y, x = (axis.flatten()[:, None] for axis in np.indices(grid))
    frequencies = TEMPERATURE ** -(np.arange(width // 4) / (width // 4))
    parts = [wave(position * frequencies) for position in (y, x) for wave in (np.sin, np.cos)]
    return np.pad(np.concatenate(parts, axis=1), ((1, 0), (0, 0)))[None].astype("float32")


class CAE(VisionTransformer):
    """Images [N, 3, 224, 224] -> logits [N, class_num].

    `init_values`: the first factors of the blocks' results; `init_scale` multiplies the first weights of the head.
    """

    def __init__(
        self,
        form: Form,
        *,
        class_num: int = 1000,
        drop_rate: float = 0.0,
        attn_drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
        init_values: float = 0.1,
        init_scale: float = 0.001,
    ) -> None:
        super().__init__(
            form,
            class_num=class_num,
            drop_rate=drop_rate,
            attn_drop_rate=attn_drop_rate,
            drop_path_rate=drop_path_rate,
        )
        self.norm = nn.Identity()
        self.fc_norm = LayerNorm(form.width, epsilon=form.epsilon)
        assert self.pos_embed is not None
        self.pos_embed.set_value(waves(form.grid, form.width))
        self.pos_embed.stop_gradient = True
        for number, block in enumerate(self.blocks, start=1):
            for factors in (block.gamma_1, block.gamma_2):
                nn.initializer.Constant(init_values)(factors)
            for layer in (block.attn.proj, block.mlp.fc2):
                truncated_normal(layer.weight, std=0.02 / (2 * number) ** 0.5)
        truncated_normal(self.head.weight, std=0.02 * init_scale)

    def _attention(self, *, dropout: float, attention_dropout: float) -> Attention:
        form = self.form
        index = relative_positions_with_class_token(*form.grid)
        return KeylessAttention(form.width, form.num_heads, index, dropout=dropout, attention_dropout=attention_dropout)

    def features(self, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        return self.fc_norm(self.encode(images_NCHW)[:, 1:].mean(1))


VARIANTS = {
    "cae_base_patch16_224": partial(CAE, Form(768, 12, 12, positions="both")),
    "cae_large_patch16_224": partial(CAE, Form(1024, 24, 16, positions="both")),
}
