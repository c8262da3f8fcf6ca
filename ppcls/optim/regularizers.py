"""Penalties on the weights, added to the loss through the gradient."""

import paddle

from ppcls.optim.ranges import require


class L1(paddle.regularizer.L1Decay):
    """Add `coeff * sign(weight)` to each gradient."""

    def __init__(self, *, coeff: float = 0.0) -> None:
        require("coeff", coeff, 0.0)
        super().__init__(coeff)
        self.coeff = coeff


class L2(paddle.regularizer.L2Decay):
    """Add `coeff * weight` to each gradient."""

    def __init__(self, *, coeff: float = 0.0) -> None:
        require("coeff", coeff, 0.0)
        super().__init__(coeff)
        self.coeff = coeff
