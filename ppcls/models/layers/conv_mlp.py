"""An MLP of 1x1 convolutions."""

from typing import ClassVar

import paddle
from paddle import nn

from ppcls.models.layers.operators import Activation, activate


class ConvMlp(nn.Layer):
    """An MLP over the channels of each pixel of NCHW images; its convolutions have the names `conv_names`."""

    conv_names: ClassVar[tuple[str, str]] = ("conv1", "conv2")

    def __init__(self, width: int, hidden: int, *, act: Activation, dropout: float = 0.0) -> None:
        super().__init__()
        self.add_sublayer(self.conv_names[0], nn.Conv2D(width, hidden, 1))
        self.add_sublayer(self.conv_names[1], nn.Conv2D(hidden, width, 1))
        self.act = act
        self.drop = nn.Dropout(dropout)

    def forward(self, x_NCHW: paddle.Tensor) -> paddle.Tensor:
        first, last = (getattr(self, name) for name in self.conv_names)
        return self.drop(last(self.drop(activate(self.act, first(x_NCHW)))))
