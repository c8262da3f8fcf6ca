"""An activation as a layer."""

from typing import Optional

import paddle
from paddle import nn

from ppcls.models.layers.operators import Activation, activate


class Act(nn.Layer):
    """The activation of a name; None changes nothing."""

    def __init__(self, act: Optional[Activation]) -> None:
        super().__init__()
        self.act = act

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return activate(self.act, x)
