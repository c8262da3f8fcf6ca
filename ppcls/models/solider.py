"""SOLIDER: Swin Transformers that a weight steers between what people look like and what they do.

Source: https://arxiv.org/abs/2303.17602, section 3.3. Names in the state dict and weights: PaddleClas (Apache-2.0),
whose weights are converted from the authors' (Apache-2.0).
"""

from functools import partial

import paddle
import paddle.nn.functional as F
from paddle import nn

from ppcls.models.layers import LayerNorm, Linear, draw_linears
from ppcls.models.swin_transformer import PatchMerging, SwinTransformer

# Of the norm that PaddleClas's weights have for no use.
IDLE_WIDTH = 768


class ChannelwiseMerging(PatchMerging):
    """PatchMerging with the four pixels of a channel side by side."""

    def forward(self, x_NHWC: paddle.Tensor) -> paddle.Tensor:
        x = self.gather(x_NHWC)
        *image, channels = x.shape
        # They are gathered column by column.
        x = x.reshape([-1, *image[1:], 2, 2, channels // 4]).transpose([0, 1, 2, 5, 4, 3]).flatten(3)
        return self.reduction(self.norm(x))


class SOLIDER(SwinTransformer):
    """A Swin Transformer whose features the semantic weight, from 0 to 1, scales and shifts between the stages."""

    merging = ChannelwiseMerging

    def __init__(
        self,
        width: int,
        depths: tuple[int, int, int, int],
        num_heads: tuple[int, int, int, int],
        *,
        class_num: int = 1000,
        drop_rate: float = 0.0,
        attn_drop_rate: float = 0.0,
        drop_path_rate: float = 0.1,
        semantic_weight: float = 1.0,
    ) -> None:
        if not 0 <= semantic_weight <= 1:
            raise ValueError(f"semantic_weight: must be from 0 to 1; received {semantic_weight}")
        super().__init__(
            width,
            depths,
            num_heads,
            class_num=class_num,
            drop_rate=drop_rate,
            attn_drop_rate=attn_drop_rate,
            drop_path_rate=drop_path_rate,
        )
        self.semantic_weight = semantic_weight
        self.norm = LayerNorm(IDLE_WIDTH)
        for stage in range(len(depths)):
            self.add_sublayer(f"norm{stage}", LayerNorm(width << stage))
        after = [width << min(stage + 1, len(depths) - 1) for stage in range(len(depths))]
        self.semantic_embed_w = nn.LayerList(Linear(2, channels) for channels in after)
        self.semantic_embed_b = nn.LayerList(Linear(2, channels) for channels in after)
        draw_linears(self.semantic_embed_w)
        draw_linears(self.semantic_embed_b)
        idle = (self.norm, self.norm0, self.norm1, self.norm2, self.semantic_embed_w[-1], self.semantic_embed_b[-1])
        for layer in idle:  # there for their weights alone
            for parameter in layer.parameters():
                parameter.stop_gradient = True

    def features(self, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        weights = paddle.to_tensor([[self.semantic_weight, 1 - self.semantic_weight]])
        x = self.pos_drop(self.patch_embed(images_NCHW))
        for stage, scale, shift in zip(self.layers, self.semantic_embed_w, self.semantic_embed_b):
            x = stage(x)
            if stage.downsample is not None:
                x = x * -F.log_sigmoid(-scale(weights)) + shift(weights)  # softplus, of which paddle2onnx has none
        return self.avgpool(self.norm3(x)).flatten(1)


VARIANTS = {
    "SwinTransformer_tiny_patch4_window7_224_SOLIDER": partial(
        SOLIDER, 96, (2, 2, 6, 2), (3, 6, 12, 24), drop_path_rate=0.2
    ),
    "SwinTransformer_small_patch4_window7_224_SOLIDER": partial(
        SOLIDER, 96, (2, 2, 18, 2), (3, 6, 12, 24), drop_path_rate=0.3
    ),
    "SwinTransformer_base_patch4_window7_224_SOLIDER": partial(
        SOLIDER, 128, (2, 2, 18, 2), (4, 8, 16, 32), drop_path_rate=0.5
    ),
}
