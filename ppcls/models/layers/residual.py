"""A path of layers beside a shortcut."""

from collections.abc import Mapping
from typing import Optional

import paddle
from paddle import nn

from ppcls.models.layers.drop import DropPath


class Residual(nn.Layer):
    """Layers that compute one after the other, by their names in the state dict; None stands for no layer.

    With `shortcut`, the input is added to their result, which stochastic depth drops with the rate `drop_path`.
    """

    def __init__(self, path: Mapping[str, Optional[nn.Layer]], *, shortcut: bool, drop_path: float = 0.0) -> None:
        super().__init__()
        named = {name: layer for name, layer in path.items() if layer is not None}
        for name, layer in named.items():
            self.add_sublayer(name, layer)
        self.path = tuple(named)
        self.shortcut = shortcut
        self.drop_path = DropPath(drop_path)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        y = x
        for name in self.path:
            y = getattr(self, name)(y)
        return x + self.drop_path(y) if self.shortcut else y
