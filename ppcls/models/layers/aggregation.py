"""One-shot aggregation. Source: https://arxiv.org/abs/1904.09730, figure 1b."""

from collections.abc import Mapping, Sequence

import paddle
from paddle import nn


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

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        results = [x]
        for layer in self.layers:
            results.append(layer(results[-1]))
        y = paddle.concat(results, axis=1)
        for name in self.aggregation_names:
            y = getattr(self, name)(y)
        return x + y if self.shortcut else y
