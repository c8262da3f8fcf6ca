"""LeViT: a pyramid of small attention after a few convolutions, all with batch norm.

Source: https://arxiv.org/abs/2104.01136, section 4 and table 2. Names in the state dict and weights: PaddleClas
(Apache-2.0), whose weights are converted from Meta's (Apache-2.0). In training, stochastic depth drops branches as
the authors' code does; PaddleClas adds random numbers instead of the branches.
"""

from functools import partial

import numpy as np
import paddle
from numpy.typing import NDArray
from paddle import nn

from ppcls.config.groups import Group
from ppcls.models.layers import Act, BatchNorm, ConvNormAct, DropPath, Head, Linear, attend
from ppcls.models.model import Model, check_image_size

IMAGE_SIZE, PATCH_SIZE = 224, 16
MLP_RATIO = 2
Three = tuple[int, int, int]


class StemConv(ConvNormAct):
    """A strided 3x3 convolution and its norm."""

    conv_name = "c"

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 3, stride=2)


class LinearNorm(nn.Layer):
    """A linear layer and batch norm of tokens [N, L, width]; `zero`: so scaled that nothing comes out at first."""

    def __init__(self, in_width: int, out_width: int, *, zero: bool = False) -> None:
        super().__init__()
        self.c = Linear(in_width, out_width, bias_attr=False)
        self.bn = BatchNorm(out_width)
        if zero:
            nn.initializer.Constant(0.0)(self.bn.weight)

    def forward(self, tokens: paddle.Tensor) -> paddle.Tensor:
        y = self.c(tokens)
        return self.bn(y.flatten(0, 1).unsqueeze([2, 3])).reshape(y.shape)


class Attention(nn.Layer):
    """Attention of `grid` x `grid` tokens with a learned bias for each distance, down and across.

    Queries and keys are `key_width` wide for each head, values `ratio` times that. With a `stride`, only every
    so many tokens ask, in both directions, so that a smaller grid comes out.
    """

    def __init__(
        self, width: int, out_width: int, num_heads: int, *, key_width: int, ratio: int, grid: int, stride: int = 1
    ) -> None:
        super().__init__()
        self.num_heads, self.key_width, self.grid, self.stride = num_heads, key_width, grid, stride
        self.value_width = value_width = ratio * key_width
        key_widths = num_heads * key_width
        if stride == 1:
            self.qkv = LinearNorm(width, 2 * key_widths + num_heads * value_width)
        else:
            self.kv = LinearNorm(width, key_widths + num_heads * value_width)
            self.q = nn.Sequential(nn.Identity(), LinearNorm(width, key_widths))
        last = LinearNorm(num_heads * value_width, out_width, zero=stride == 1)
        self.proj = nn.Sequential(Act("hardswish"), last)
        zero = nn.initializer.Constant(0.0)
        self.attention_biases = self.create_parameter([num_heads, grid * grid], default_initializer=zero)
        self.register_buffer("attention_bias_idxs", paddle.to_tensor(distances(grid, stride)))

    def forward(self, tokens: paddle.Tensor) -> paddle.Tensor:
        queries, keys, values = self._projected(tokens)
        bias = self.attention_biases.index_select(self.attention_bias_idxs.flatten(), axis=1)
        bias = bias.reshape([self.num_heads, *self.attention_bias_idxs.shape])
        return self.proj(attend(queries * self.key_width**-0.5, keys, values, bias=bias))

    def _projected(self, tokens: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor, paddle.Tensor]:
        if self.stride == 1:
            of_heads = self._by_heads(self.qkv(tokens))
            queries, keys, values = of_heads.split([self.key_width, self.key_width, self.value_width], axis=3)
            return queries, keys, values
        image = tokens.reshape([0, self.grid, self.grid, -1])[:, :: self.stride, :: self.stride]
        keys, values = self._by_heads(self.kv(tokens)).split([self.key_width, self.value_width], axis=3)
        return self._by_heads(self.q(image.flatten(1, 2))), keys, values

    def _by_heads(self, tokens: paddle.Tensor) -> paddle.Tensor:
        return tokens.reshape([0, 0, self.num_heads, -1]).transpose([0, 2, 1, 3])


def distances(grid: int, stride: int) -> NDArray[np.int64]:
    """Return the numbers of the distances from every `stride`-th token to all, int64 [queries, grid * grid]."""
    y, x = (axis.flatten() for axis in np.indices((grid, grid)))
    from_y, from_x = (axis.flatten() for axis in stride * np.indices(2 * [-(-grid // stride)]))
    down, across = np.abs(from_y[:, None] - y), np.abs(from_x[:, None] - x)
    return np.asarray(down * grid + across, "int64")


class Shortcut(nn.Layer):
    """A layer whose result is added to its input."""

    def __init__(self, layer: nn.Layer, drop_path: float) -> None:
        super().__init__()
        self.m = layer
        self.drop_path = DropPath(drop_path)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return x + self.drop_path(self.m(x))


def mlp(width: int) -> nn.Layer:
    """Return two linear layers around an activation."""
    hidden = MLP_RATIO * width
    return nn.Sequential(LinearNorm(width, hidden), Act("hardswish"), LinearNorm(hidden, width, zero=True))


class NormedHead(nn.Layer):
    """The head, and the norm before it."""

    def __init__(self, width: int, class_num: int) -> None:
        super().__init__()
        self.bn = BatchNorm(width)
        self.l = Head(width, class_num, std=0.02)


class LeViT(Model):
    """Images [N, 3, 224, 224] -> logits [N, class_num]."""

    head_name = "head.l"
    param_groups = (Group(r"\.attention_biases$", weight_decay=0.0),)

    def __init__(
        self,
        widths: Three,
        key_width: int,
        depths: Three,
        num_heads: Three,
        drop_path: float = 0.0,
        *,
        class_num: int = 1000,
    ) -> None:
        super().__init__()
        channels = (3, *(widths[0] // divisor for divisor in (8, 4, 2, 1)))
        stem: list[nn.Layer] = []
        for in_channels, out_channels in zip(channels, channels[1:]):
            stem += [StemConv(in_channels, out_channels), Act("hardswish")]
        self.patch_embed = nn.Sequential(*stem[:-1])
        grid = IMAGE_SIZE // PATCH_SIZE
        attention = partial(Attention, key_width=key_width)
        blocks: list[nn.Layer] = []
        for stage, (width, depth, heads) in enumerate(zip(widths, depths, num_heads)):
            if stage > 0:
                before = widths[stage - 1]
                blocks.append(attention(before, width, before // key_width, ratio=4, grid=grid, stride=2))
                blocks.append(Shortcut(mlp(width), drop_path))
                grid = -(-grid // 2)
            for _ in range(depth):
                blocks.append(Shortcut(attention(width, width, heads, ratio=2, grid=grid), drop_path))
                blocks.append(Shortcut(mlp(width), drop_path))
        self.blocks = nn.Sequential(*blocks)
        self.num_features = widths[-1]
        self.head = NormedHead(widths[-1], class_num)

    def features(self, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        check_image_size(images_NCHW, IMAGE_SIZE, IMAGE_SIZE)
        tokens = self.blocks(self.patch_embed(images_NCHW).flatten(2).transpose([0, 2, 1]))
        return self.head.bn(tokens.mean(1).unsqueeze([2, 3])).flatten(1)


VARIANTS = {
    "LeViT_128S": partial(LeViT, (128, 256, 384), 16, (2, 3, 4), (4, 6, 8)),
    "LeViT_128": partial(LeViT, (128, 256, 384), 16, (4, 4, 4), (4, 8, 12)),
    "LeViT_192": partial(LeViT, (192, 288, 384), 32, (4, 4, 4), (3, 5, 6)),
    "LeViT_256": partial(LeViT, (256, 384, 512), 32, (4, 4, 4), (4, 6, 8)),
    "LeViT_384": partial(LeViT, (384, 512, 768), 32, (4, 4, 4), (6, 9, 12), 0.1),
}
