"""Next-ViT: blocks of grouped convolutions, and at the end of the last three stages such of attention.

Source: https://arxiv.org/abs/2207.05501, section 3 and table 3. Names in the state dict and weights: PaddleClas
(Apache-2.0), whose weights are converted from ByteDance's (Apache-2.0).
"""

from functools import partial

import paddle
import paddle.nn.functional as F
from paddle import nn

from ppcls.models.chain import Chain
from ppcls.models.layers import (
    AvgPool,
    BatchNorm,
    ConvMlp,
    DropPath,
    Flatten,
    GlobalAvgPool,
    Head,
    Linear,
    NormConvNormAct,
    activate,
    drop_rates,
    make_divisible,
    split_heads,
    truncated_normal,
)

STEM_CHANNELS = (3, 64, 32, 64, 64)
# Of the blocks of a stage, how many times smaller the keys and values are in each direction, and the widths.
STAGES = ((8, 96, 96), (4, 192, 256), (2, 384, 512), (1, 768, 1024))
HEAD_WIDTH = 32
# Share of the channels of a block of attention that attention gives; convolutions give the others.
ATTENTION_SHARE = 0.75
# In the third stage, every fifth block is one of attention.
PERIOD = 5


class PatchEmbed(nn.Layer):
    """Halve the image if `stride` is 2, and change its channels if need be."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.avgpool = AvgPool(2, stride=2, ceil_mode=True) if stride == 2 else nn.Identity()
        changes = stride == 2 or in_channels != out_channels
        self.conv = nn.Conv2D(in_channels, out_channels, 1, bias_attr=False) if changes else nn.Identity()
        self.norm = BatchNorm(out_channels) if changes else nn.Identity()

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.norm(self.conv(self.avgpool(x)))


class ConvAttention(nn.Layer):
    """A grouped 3x3 convolution in place of heads, and a projection (section 3.2)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.group_conv3x3 = nn.Conv2D(width, width, 3, padding=1, groups=width // HEAD_WIDTH, bias_attr=False)
        self.norm = BatchNorm(width)
        self.projection = nn.Conv2D(width, width, 1, bias_attr=False)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.projection(activate("relu", self.norm(self.group_conv3x3(x))))


class ConvBlock(nn.Layer):
    """The convolution block of figure 4b."""

    def __init__(self, in_channels: int, width: int, stride: int, *, drop_path: float) -> None:
        super().__init__()
        self.patch_embed = PatchEmbed(in_channels, width, stride)
        self.mhca = ConvAttention(width)
        self.norm = BatchNorm(width)
        self.mlp = ConvMlp(width, 3 * width, act="relu")
        self.drop_path = DropPath(drop_path)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = self.patch_embed(x)
        x = x + self.drop_path(self.mhca(x))
        return x + self.drop_path(self.mlp(self.norm(x)))


class SelfAttention(nn.Layer):
    """Attention of images [N, width, H, W] whose keys and values are averages of `ratio`**2 pixels in a row."""

    def __init__(self, width: int, ratio: int) -> None:
        super().__init__()
        self.num_heads = width // HEAD_WIDTH
        self.q, self.k, self.v = (Linear(width, width) for _ in range(3))
        self.proj = Linear(width, width)
        self.reduces = ratio > 1
        if self.reduces:
            self.sr = nn.AvgPool1D(ratio**2, ratio**2)
            self.norm = BatchNorm(width)

    def forward(self, x_NCHW: paddle.Tensor) -> paddle.Tensor:
        channels_first = x_NCHW.flatten(2)
        reduced = self.norm(self.sr(channels_first).unsqueeze(3)).squeeze(3) if self.reduces else channels_first
        sources = (channels_first, reduced, reduced)
        queries, keys, values = (
            split_heads(layer(source.transpose([0, 2, 1])), self.num_heads, 1)[0]
            for layer, source in zip((self.q, self.k, self.v), sources)
        )
        # In PaddleClas's order, as rounding grows a millionfold from here to logits with random weights.
        scores = paddle.matmul(queries, keys.transpose([0, 1, 3, 2])) * HEAD_WIDTH**-0.5
        averages = paddle.matmul(F.softmax(scores, axis=-1), values)
        tokens = self.proj(averages.transpose([0, 2, 1, 3]).flatten(2))
        return tokens.transpose([0, 2, 1]).reshape(x_NCHW.shape)


class AttentionBlock(nn.Layer):
    """The transformer block of figure 4c: attention, and beside its result convolutions of it."""

    def __init__(self, in_channels: int, width: int, stride: int, *, ratio: int, drop_path: float) -> None:
        super().__init__()
        attended = make_divisible(int(width * ATTENTION_SHARE), HEAD_WIDTH)
        self.patch_embed = PatchEmbed(in_channels, attended, stride)
        self.norm1 = BatchNorm(attended)
        self.e_mhsa = SelfAttention(attended, ratio)
        self.mhsa_path_dropout = DropPath(drop_path * ATTENTION_SHARE)
        self.projection = PatchEmbed(attended, width - attended)
        self.mhca = ConvAttention(width - attended)
        self.mhca_path_dropout = DropPath(drop_path * (1 - ATTENTION_SHARE))
        self.norm2 = BatchNorm(width)
        self.mlp = ConvMlp(width, 2 * width, act="relu")
        self.mlp_path_dropout = DropPath(drop_path)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = self.patch_embed(x)
        x = x + self.mhsa_path_dropout(self.e_mhsa(self.norm1(x)))
        beside = self.projection(x)
        beside = beside + self.mhca_path_dropout(self.mhca(beside))
        x = paddle.concat([x, beside], axis=1)
        return x + self.mlp_path_dropout(self.mlp(self.norm2(x)))


class NextViT(Chain):
    """Images [N, 3, H, W] -> logits [N, class_num]; sizes differ in the `depth` of their third stage."""

    head_name = "proj_head.0"

    def __init__(self, depth: int, *, class_num: int = 1000, drop_path_rate: float = 0.2) -> None:
        super().__init__()
        depths = (3, 4, depth, 3)
        self.stem = nn.Sequential(
            *(
                NormConvNormAct(in_channels, out_channels, 3, stride=stride, act="relu")
                for in_channels, out_channels, stride in zip(STEM_CHANNELS, STEM_CHANNELS[1:], (2, 1, 1, 2))
            )
        )
        in_channels = STEM_CHANNELS[-1]
        rates = iter(drop_rates(drop_path_rate, sum(depths)))
        blocks: list[nn.Layer] = []
        for stage, (stage_depth, (ratio, width, attention_width)) in enumerate(zip(depths, STAGES)):
            period = PERIOD if stage == 2 else stage_depth
            for index in range(stage_depth):
                stride = 2 if stage > 0 and index == 0 else 1
                if stage > 0 and index % period == period - 1:
                    out_channels = attention_width
                    block: nn.Layer = AttentionBlock(
                        in_channels, out_channels, stride, ratio=ratio, drop_path=next(rates)
                    )
                else:
                    out_channels = width
                    block = ConvBlock(in_channels, out_channels, stride, drop_path=next(rates))
                blocks.append(block)
                in_channels = out_channels
        self.add_sublayer("features", nn.Sequential(*blocks))
        self.num_features = in_channels
        self.norm = BatchNorm(in_channels)
        self.avgpool = GlobalAvgPool()
        self.flatten = Flatten()
        self.proj_head = nn.Sequential(Head(in_channels, class_num, std=0.02))
        truncated_normal(*(layer.weight for layer in self.sublayers() if isinstance(layer, (nn.Conv2D, nn.Linear))))


VARIANTS = {
    **{f"NextViT_small_{size}": partial(NextViT, 10, drop_path_rate=0.1) for size in (224, 384)},
    **{f"NextViT_base_{size}": partial(NextViT, 20) for size in (224, 384)},
    **{f"NextViT_large_{size}": partial(NextViT, 30) for size in (224, 384)},
}
