"""Self-attention. Source: https://arxiv.org/abs/1706.03762, section 3.2."""

from typing import Any, Optional

import paddle
import paddle.nn.functional as F
from paddle import nn

from ppcls.models.layers.linear import Linear
from ppcls.models.layers.norm import LayerNorm
from ppcls.models.layers.operators import Operation


def split_heads(x: paddle.Tensor, num_heads: int, num_parts: int) -> list[paddle.Tensor]:
    """Split [N, L, parts * heads * width], such as queries, keys and values, to parts [N, heads, L, width]."""
    width = x.shape[-1] // (num_parts * num_heads)
    parts: list[paddle.Tensor] = x.reshape([0, 0, num_parts, num_heads, width]).transpose([2, 0, 3, 1, 4]).unbind(0)
    return parts


def attend(
    queries: paddle.Tensor,
    keys: paddle.Tensor,
    values: paddle.Tensor,
    *,
    bias: Optional[paddle.Tensor] = None,
    dropout: Optional[nn.Layer] = None,
) -> paddle.Tensor:
    """Return the values, averaged for each (scaled) query by the softmax of its scores, [N, L, heads * width].

    All are [N, heads, L, width]. `bias` is added to the scores: [heads, L, L], or [K, heads or 1, L, L] where
    each K samples in a row have biases of their own.
    """
    scores = paddle.matmul(queries, keys, transpose_y=True)
    if bias is not None:
        scores = (scores.reshape([-1, *bias.shape[:-3], *scores.shape[1:]]) + bias).reshape(scores.shape)
    shares = F.softmax(scores, axis=-1)
    shares = shares if dropout is None else dropout(shares)
    return paddle.matmul(shares, values).transpose([0, 2, 1, 3]).flatten(2)


class SelfAttend(Operation, nn.Layer):
    """Attention of tokens by their queries, keys and values, side by side in [N, L, 3 * heads * width], and a bias."""

    operation = "attention"

    def __init__(self, num_heads: int, scale: float, dropout: float) -> None:
        super().__init__()
        self.num_heads, self.factor = num_heads, scale
        self.dropout = nn.Dropout(dropout)

    def by_parts(self, qkv: paddle.Tensor, bias: Optional[paddle.Tensor] = None) -> paddle.Tensor:
        """Return the attention, computed by matrix products."""
        queries, keys, values = split_heads(qkv, self.num_heads, 3)
        return attend(queries * self.factor, keys, values, bias=bias, dropout=self.dropout)


def keyless_bias(of_queries: paddle.Tensor, of_values: paddle.Tensor) -> paddle.Tensor:
    """Return the bias of queries, keys and values side by side; that of keys, which would have no effect, is zero."""
    return paddle.concat([of_queries, paddle.zeros_like(of_queries), of_values])


class Attention(nn.Layer):
    """Multi-head self-attention of tokens [N, L, width].

    `scale` multiplies the scores: 1 / sqrt(width of a head) unless stated. `mask` is added to the scores
    of each K samples in a row, [K, heads or 1, L, L].
    """

    def __init__(
        self,
        width: int,
        num_heads: int,
        *,
        qkv_bias: bool = True,
        scale: Optional[float] = None,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = Linear(width, 3 * width, bias_attr=None if qkv_bias else False)
        self.attend = SelfAttend(num_heads, (width // num_heads) ** -0.5 if scale is None else scale, attention_dropout)
        self.proj = Linear(width, width)
        self.proj_drop = nn.Dropout(dropout)

    def bias(self, mask: Optional[paddle.Tensor]) -> Optional[paddle.Tensor]:
        """Return what is added to the scores."""
        return mask

    def project(self, x: paddle.Tensor) -> paddle.Tensor:
        """Return queries, keys and values, [N, L, 3 * width]."""
        return self.qkv(x)

    def forward(self, x: paddle.Tensor, mask: Optional[paddle.Tensor] = None) -> Any:
        return self.proj_drop(self.proj(self.attend(self.project(x), self.bias(mask))))


class ReducedAttention(nn.Layer):
    """Attention of images [N, H, W, width] whose keys and values are those of a smaller image.

    It is smaller by `ratio`, by a strided convolution; `pooled`: 7 x 7 averages instead.
    Source: https://arxiv.org/abs/2102.12122, section 3.3; pooled: https://arxiv.org/abs/2106.13797, section 3.2.
    """

    def __init__(
        self,
        width: int,
        num_heads: int,
        ratio: int,
        *,
        pooled: bool = False,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.scale = (width // num_heads) ** -0.5
        self.q = Linear(width, width)
        self.kv = Linear(width, 2 * width)
        self.attn_drop = nn.Dropout(attention_dropout)
        self.proj = Linear(width, width)
        self.proj_drop = nn.Dropout(dropout)
        self.reduces, self.pooled = pooled or ratio > 1, pooled
        if pooled:
            self.pool = nn.AdaptiveAvgPool2D(7)
        if self.reduces:
            size = 1 if pooled else ratio
            self.sr = nn.Conv2D(width, width, size, stride=size)
            self.norm = LayerNorm(width)

    def _reduced(self, x_NHWC: paddle.Tensor) -> paddle.Tensor:
        if not self.reduces:
            return x_NHWC.flatten(1, 2)
        x_NCHW = x_NHWC.transpose([0, 3, 1, 2])
        x_NCHW = self.sr(self.pool(x_NCHW) if self.pooled else x_NCHW)
        tokens = self.norm(x_NCHW.flatten(2).transpose([0, 2, 1]))
        return F.gelu(tokens) if self.pooled else tokens

    def forward(self, x_NHWC: paddle.Tensor) -> paddle.Tensor:
        _, height, width, channels = x_NHWC.shape
        (queries,) = split_heads(self.q(x_NHWC.flatten(1, 2)), self.num_heads, 1)
        keys, values = split_heads(self.kv(self._reduced(x_NHWC)), self.num_heads, 2)
        tokens = attend(queries * self.scale, keys, values, dropout=self.attn_drop)
        return self.proj_drop(self.proj(tokens)).reshape([-1, height, width, channels])
