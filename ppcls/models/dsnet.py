"""DS-Net: a stream of fine details by convolutions and one of the whole image by attention, which look at each other.

Source: https://arxiv.org/abs/2105.14734, sections 3.2 and 3.3. Names in the state dict and weights: PaddleClas
(Apache-2.0).
"""

from functools import partial

import paddle
import paddle.nn.functional as F
from paddle import nn

from ppcls.models.chain import Chain
from ppcls.models.layers import (
    Act,
    BatchNorm,
    DropPath,
    Flatten,
    GlobalAvgPool,
    Head,
    LayerNorm,
    Linear,
    draw_linears,
    drop_rates,
    split_heads,
)

WIDTHS = (64, 128, 320, 512)
NUM_HEADS = (1, 2, 5, 8)
PATCH_SIZES = (4, 2, 2, 2)
# How much smaller the image is that a stage attends to.
SHRINKAGES = (8, 4, 2, 2)
MLP_RATIO = 4
ATTENTION_DROPOUT = 0.1


def as_tokens(x_NCHW: paddle.Tensor) -> paddle.Tensor:
    return x_NCHW.flatten(2).transpose([0, 2, 1])


def as_image(tokens: paddle.Tensor, size: tuple[int, int]) -> paddle.Tensor:
    return tokens.transpose([0, 2, 1]).reshape([0, -1, *size])


class Block(nn.Layer):
    """Half of the channels is a stream of details, the other one of the whole image, which is smaller by `shrinkage`.

    Each stream is changed by itself, and then attends to the other one; an MLP follows.
    """

    def __init__(self, width: int, num_heads: int, shrinkage: int, *, drop_path: float) -> None:
        super().__init__()
        self.num_heads, self.shrinkage = num_heads, shrinkage
        half = width // 2
        self.scale = (half // num_heads) ** -0.5
        self.pos_embed = nn.Conv2D(width, width, 3, padding=1, groups=width)
        self.norm1 = BatchNorm(width)
        self.conv1 = nn.Conv2D(width, width, 1)
        self.norm_conv1 = BatchNorm(half)
        self.conv = nn.Conv2D(half, half, 3, padding=1, groups=half)
        self.norm_sa1 = LayerNorm(half)
        self.channel_up = Linear(half, 3 * half)
        self.norm_conv2 = BatchNorm(half)
        self.cross_channel_up_conv = nn.Conv2D(half, 3 * half, 1)
        self.norm_sa2 = LayerNorm(half)
        self.cross_channel_up_sa = Linear(half, 3 * half)
        self.attn_drop = nn.Dropout(ATTENTION_DROPOUT)
        self.fuse_channel_conv = Linear(half, half)
        self.fuse_channel_sa = Linear(half, half)
        self.conv2 = nn.Conv2D(width, width, 1)
        self.norm2 = BatchNorm(width)
        self.mlp = nn.Sequential(
            ("fc1", nn.Conv2D(width, MLP_RATIO * width, 1)),
            ("act", Act("gelu")),
            ("fc2", nn.Conv2D(MLP_RATIO * width, width, 1)),
        )
        self.drop_path = DropPath(drop_path)

    def _attend(self, queries: paddle.Tensor, keys: paddle.Tensor, values: paddle.Tensor) -> paddle.Tensor:
        # In PaddleClas's order of operations: with random weights, the logits hang on the last bits of the scores.
        scores = queries.matmul(keys.transpose([0, 1, 3, 2])) * self.scale
        shares = self.attn_drop(F.softmax(scores, axis=-1))
        return shares.matmul(values).transpose([0, 2, 1, 3]).flatten(2)

    def _join(self, details: paddle.Tensor, tokens: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Return the streams, an image and tokens, after each has attended to the other one."""
        fine = as_tokens(self.cross_channel_up_conv(self.norm_conv2(details)))
        fine_queries, fine_keys, fine_values = split_heads(fine, self.num_heads, 3)
        coarse = self.cross_channel_up_sa(self.norm_sa2(tokens))
        queries, keys, values = split_heads(coarse, self.num_heads, 3)
        seen = self.fuse_channel_conv(self._attend(fine_queries, keys, values))
        tokens = tokens + self.fuse_channel_sa(self._attend(queries, fine_keys, fine_values))
        return details + as_image(seen, details.shape[2:]), tokens

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = x + self.pos_embed(x)
        height, width = x.shape[2:]
        smaller = (height // self.shrinkage, width // self.shrinkage)
        whole, details = self.conv1(self.norm1(x)).split(2, axis=1)
        details = details + self.conv(self.norm_conv1(details))
        tokens = as_tokens(F.interpolate(whole, size=smaller, mode="bilinear"))
        tokens = tokens + self._attend(*split_heads(self.channel_up(self.norm_sa1(tokens)), self.num_heads, 3))
        details, tokens = self._join(details, tokens)
        whole = F.interpolate(as_image(tokens, smaller), size=(height, width), mode="bilinear")
        x = x + self.drop_path(self.conv2(paddle.concat([details, whole], axis=1)))
        return x + self.drop_path(self.mlp(self.norm2(x)))


class DSNet(Chain):
    """`drop_path_rate`: what the rates of stochastic depth would grow to, over as many blocks as there are in all.

    As in PaddleClas, each stage starts with a rate of 0 again.
    """

    head_name = "head"
    num_features = WIDTHS[-1]

    def __init__(
        self, depths: tuple[int, int, int, int], *, class_num: int = 1000, drop_path_rate: float = 0.1
    ) -> None:
        super().__init__()
        rates = drop_rates(drop_path_rate, sum(depths))
        channels = 3
        for stage, (depth, width, size) in enumerate(zip(depths, WIDTHS, PATCH_SIZES)):
            patches = nn.Sequential(("proj", nn.Conv2D(channels, width, size, stride=size)))
            self.add_sublayer(f"patch_embed{stage + 1}", patches)
            blocks = [Block(width, NUM_HEADS[stage], SHRINKAGES[stage], drop_path=rate) for rate in rates[:depth]]
            self.add_sublayer(f"blocks{stage + 1}", nn.Sequential(*blocks))
            channels = width
        self.norm = BatchNorm(channels)
        self.avg_pool = GlobalAvgPool()
        self.flatten = Flatten()
        self.head = Head(channels, class_num)
        draw_linears(self)


VARIANTS = {
    "DSNet_tiny": partial(DSNet, (2, 2, 4, 1)),
    "DSNet_small": partial(DSNet, (3, 4, 8, 3)),
    "DSNet_base": partial(DSNet, (3, 4, 28, 3)),
}
