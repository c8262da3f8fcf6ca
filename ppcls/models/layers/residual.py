"""A path of layers beside a shortcut."""

from collections.abc import Mapping
from typing import Any, Optional

import paddle
from paddle import nn

from ppcls.models.layers.drop import DropPath
from ppcls.models.layers.joins import Add, Branch


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
        self.branch = Branch()
        self.drop_path = DropPath(drop_path)
        self.sum = Add()

    def forward(self, x: paddle.Tensor) -> Any:
        y, beside = self.branch(x) if self.shortcut else (x, None)
        for name in self.path:
            y = getattr(self, name)(y)
        return self.sum(beside, self.drop_path(y)) if self.shortcut else y
