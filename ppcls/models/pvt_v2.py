"""PVT v2: a pyramid of transformers whose keys and values are of a reduced image.

Source: https://arxiv.org/abs/2106.13797, section 3 and table 1. Names in the state dict and weights: PaddleClas
(Apache-2.0), whose weights are converted from the authors' (Apache-2.0).
"""

from functools import partial

import paddle
from paddle import nn

from ppcls.models.layers import (
    Head,
    LayerNorm,
    Linear,
    PatchEmbed,
    ReducedAttention,
    TransformerBlock,
    activate,
    draw_linears,
    drop_rates,
)
from ppcls.models.model import Model

EPSILON = 1e-6
NUM_HEADS = (1, 2, 5, 8)
REDUCTIONS = (8, 4, 2, 1)
Four = tuple[int, int, int, int]


class Depthwise(nn.Layer):
    """A depthwise 3x3 convolution of NHWC images."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2D(width, width, 3, padding=1, groups=width)

    def forward(self, x_NHWC: paddle.Tensor) -> paddle.Tensor:
        return self.dwconv(x_NHWC.transpose([0, 3, 1, 2])).transpose([0, 2, 3, 1])


class ConvMlp(nn.Layer):
    """An MLP with a depthwise convolution before its activation; a ReLU is before it in the linear model."""

    def __init__(self, width: int, hidden: int, *, dropout: float, linear: bool) -> None:
        super().__init__()
        self.fc1 = Linear(width, hidden)
        self.first_act = "relu" if linear else None
        self.dwconv = Depthwise(hidden)
        self.fc2 = Linear(hidden, width)
        self.drop = nn.Dropout(dropout)

    def forward(self, x_NHWC: paddle.Tensor) -> paddle.Tensor:
        x = self.dwconv(activate(self.first_act, self.fc1(x_NHWC)))
        return self.drop(self.fc2(self.drop(activate("gelu", x))))


class PyramidVisionTransformerV2(Model):
    """Images [N, 3, H, W] -> logits [N, class_num]; `linear`: attention to 7 x 7 averages, at linear cost."""

    head_name = "head"

    def __init__(
        self,
        widths: Four,
        depths: Four,
        mlp_ratios: Four = (8, 8, 4, 4),
        linear: bool = False,
        *,
        class_num: int = 1000,
        drop_rate: float = 0.0,
        attn_drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
    ) -> None:
        super().__init__()
        rates = iter(drop_rates(drop_path_rate, sum(depths)))
        in_channels = 3
        for stage, (width, depth, heads, ratio, mlp_ratio) in enumerate(
            zip(widths, depths, NUM_HEADS, REDUCTIONS, mlp_ratios), start=1
        ):
            attention = partial(
                ReducedAttention,
                width,
                heads,
                ratio,
                pooled=linear,
                dropout=drop_rate,
                attention_dropout=attn_drop_rate,
            )
            mlp = partial(ConvMlp, width, width * mlp_ratio, dropout=drop_rate, linear=linear)
            blocks = (
                TransformerBlock(width, attention(), mlp(), epsilon=EPSILON, drop_path=next(rates))
                for _ in range(depth)
            )
            size, stride = (7, 4) if stage == 1 else (3, 2)
            patches = PatchEmbed(size, width, in_channels=in_channels, stride=stride, norm=True)
            self.add_sublayer(f"patch_embed{stage}", patches)
            self.add_sublayer(f"block{stage}", nn.LayerList(blocks))
            self.add_sublayer(f"norm{stage}", LayerNorm(width, epsilon=EPSILON))
            in_channels = width
        self.num_features = in_channels
        self.head = Head(in_channels, class_num, std=0.02)
        draw_linears(self)

    def features(self, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        x = images_NCHW
        for stage in range(1, 5):
            x = getattr(self, f"patch_embed{stage}")(x)
            for block in getattr(self, f"block{stage}"):
                x = block(x)
            x = getattr(self, f"norm{stage}")(x).transpose([0, 3, 1, 2])
        return x.mean([2, 3])


SMALL, LARGE = (32, 64, 160, 256), (64, 128, 320, 512)
VARIANTS = {
    "PVT_V2_B0": partial(PyramidVisionTransformerV2, SMALL, (2, 2, 2, 2)),
    "PVT_V2_B1": partial(PyramidVisionTransformerV2, LARGE, (2, 2, 2, 2)),
    "PVT_V2_B2": partial(PyramidVisionTransformerV2, LARGE, (3, 4, 6, 3)),
    "PVT_V2_B2_Linear": partial(PyramidVisionTransformerV2, LARGE, (3, 4, 6, 3), (8, 8, 4, 4), True),
    "PVT_V2_B3": partial(PyramidVisionTransformerV2, LARGE, (3, 4, 18, 3)),
    "PVT_V2_B4": partial(PyramidVisionTransformerV2, LARGE, (3, 8, 27, 3)),
    "PVT_V2_B5": partial(PyramidVisionTransformerV2, LARGE, (3, 6, 40, 3), (4, 4, 4, 4)),
}
