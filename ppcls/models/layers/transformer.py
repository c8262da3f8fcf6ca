"""The block of transformers."""

from typing import Any, Optional

import paddle
from paddle import nn

from ppcls.models.layers.drop import DropPath
from ppcls.models.layers.joins import Add, Branch, Scale
from ppcls.models.layers.linear import Mlp
from ppcls.models.layers.norm import LayerNorm
from ppcls.models.layers.operators import Activation


class TransformerBlock(nn.Layer):
    """Attention and then an MLP, each with its input normalised and its result added to its input.

    `mlp` stands in for the plain MLP, whose activation is `act`. `layer_scale`: the first value of factors of the
    channels of both results; unstated, there are none.
    Source: https://arxiv.org/abs/2010.11929, equations 2 and 3; factors: https://arxiv.org/abs/2103.17239, section 2.
    """

    def __init__(
        self,
        width: int,
        attention: nn.Layer,
        mlp: Optional[nn.Layer] = None,
        *,
        mlp_ratio: float = 4.0,
        act: Activation = "gelu",
        epsilon: float = 1e-5,
        dropout: float = 0.0,
        drop_path: float = 0.0,
        layer_scale: Optional[float] = None,
    ) -> None:
        super().__init__()
        self.norm1 = LayerNorm(width, epsilon=epsilon)
        self.attn = attention
        self.drop_path = DropPath(drop_path)
        self.norm2 = LayerNorm(width, epsilon=epsilon)
        self.branch, self.sum, self.scale = Branch(), Add(), Scale()
        self.mlp = Mlp(width, int(width * mlp_ratio), act=act, dropout=dropout) if mlp is None else mlp
        self.gamma_1 = self.gamma_2 = None
        if layer_scale is not None:
            initial = nn.initializer.Constant(layer_scale)
            self.gamma_1 = self.create_parameter([width], default_initializer=initial)
            self.gamma_2 = self.create_parameter([width], default_initializer=initial)

    def attend(self, x: paddle.Tensor, *context: Any) -> Any:
        """Return the attention of the normalised input."""
        return self.attn(x, *context)

    def forward(self, x: paddle.Tensor, *context: Any) -> Any:
        """Return the result for [..., width]; `context` is what the attention takes besides."""
        x, beside = self.branch(x)
        x = self._joined(beside, self.attend(self.norm1(x), *context), self.gamma_1)
        x, beside = self.branch(x)
        return self._joined(beside, self.mlp(self.norm2(x)), self.gamma_2)

    def _joined(self, x: paddle.Tensor, change: paddle.Tensor, factors: Optional[paddle.Tensor]) -> Any:
        return self.sum(x, self.drop_path(change if factors is None else self.scale(change, factors)))
