"""An activation as a layer."""

from typing import Optional

from paddle import nn

from ppcls.models.layers.operators import Activation, Operation


class Act(Operation, nn.Layer):
    """The activation of a name; None changes nothing."""

    operation = "activation"

    def __init__(self, act: Optional[Activation]) -> None:
        super().__init__()
        self.act = act
