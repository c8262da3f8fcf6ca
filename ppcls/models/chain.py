"""Architectures that are a chain of layers."""

from itertools import takewhile
from typing import Optional

import paddle
from paddle import nn

from ppcls.models.layers import Act, Activation, Dropout, GlobalAvgPool, Head
from ppcls.models.model import Model


class Chain(Model):
    """A model whose sublayers, in the order in which its constructor adds them, compute one after the other.

    The head is the last of them, or inside the last.
    """

    def features(self, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        x = images_NCHW
        for layer in self._layers_before_head():
            x = layer(x)
        return x

    # Paddle's translation of code to a graph can't read it, and need not.
    @paddle.jit.not_to_static
    def _layers_before_head(self) -> list[nn.Layer]:
        layers: list[nn.Layer] = []
        layer: nn.Layer = self
        for name in self.head_name.split("."):
            children = dict(layer.named_children())
            layers += [children[before] for before in takewhile(name.__ne__, children)]
            layer = children[name]
        return layers

    def add_widened_head(
        self,
        channels: int,
        class_num: int,
        *,
        class_expand: int,
        dropout_prob: float,
        act: Optional[Activation],
        use_last_conv: bool = True,
        bias: bool = False,
        affine: Optional[nn.Layer] = None,
    ) -> None:
        """Add the end that PaddleClas's small models share; its 1x1 convolution widens the pooled `channels`."""
        self.avg_pool = GlobalAvgPool()
        if use_last_conv:
            self.last_conv = nn.Conv2D(channels, class_expand, 1, bias_attr=None if bias else False)
            self.act = Act(act)
            if affine is not None:
                self.lab = affine
            self.dropout = Dropout(dropout_prob, scale_in_evaluation=True)
        self.flatten = nn.Flatten()
        self.num_features = class_expand if use_last_conv else channels
        self.fc = Head(self.num_features, class_num)
