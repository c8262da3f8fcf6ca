"""One-shot aggregation. Source: https://arxiv.org/abs/1904.09730, figure 1b."""

from collections.abc import Mapping, Sequence
from typing import Any

import paddle
from paddle import nn

from ppcls.models.layers.joins import Add, Concat


class OneShotAggregation(nn.Layer):
    """A chain of layers, whose input and results are concatenated; what comes of those by `aggregation` comes out.

    With `shortcut`, the block's input is added at last.
    """

    def __init__(
        self, layers: Sequence[nn.Layer], aggregation: Mapping[str, nn.Layer], *, shortcut: bool = False
    ) -> None:
        super().__init__()
        self.layers = nn.LayerList(layers)
        for name, layer in aggregation.items():
            self.add_sublayer(name, layer)
        self.aggregation_names = tuple(aggregation)
        self.shortcut = shortcut
        self.concat, self.sum = Concat(), Add()

    def forward(self, x: paddle.Tensor) -> Any:
        results = [x]
        for layer in self.layers:
            results.append(layer(results[-1]))
        y = self.concat(results)
        for name in self.aggregation_names:
            y = getattr(self, name)(y)
        return self.sum(x, y) if self.shortcut else y
