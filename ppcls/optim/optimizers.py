"""The optimizers that a config can name: Paddle's, with PaddleClas's arguments.

The rate of each update is set with `optimizer.set_lr(schedule.lr(step))`, which does not wait for the device.

Arguments that they share: `weight_decay` (short for an L2 regularizer, except in AdamW), `multi_precision`
(float32 master weights where the model's are float16 or bfloat16), and those of `Exclusions`.
"""

from dataclasses import asdict, dataclass
from typing import Optional

import paddle

from ppcls.optim.groups import Exclusions, Target
from ppcls.optim.ranges import require
from ppcls.paddle_private import DecayOfEach
from ppcls.registry import Shared


@dataclass(frozen=True)
class Betas(Shared):
    """How Adam and those like it average: the gradient by `beta1`, its square by `beta2`."""

    beta1: float = 0.9
    beta2: float = 0.999

    def __post_init__(self) -> None:
        require("beta1", self.beta1, 0.0, below=1.0)
        require("beta2", self.beta2, 0.0, below=1.0)


class SGD(paddle.optimizer.SGD):
    """Stochastic gradient descent without momentum."""

    def __init__(
        self,
        target: Target,
        *,
        multi_precision: bool = False,
        weight_decay: Optional[float] = None,
        exclusions: Exclusions = Exclusions(),
    ) -> None:
        super().__init__(
            **target.arguments(),
            weight_decay=target.gradient_decay(weight_decay, exclusions),
            multi_precision=multi_precision,
        )


class Momentum(paddle.optimizer.Momentum):
    """Stochastic gradient descent with a velocity: `v = momentum * v + gradient`."""

    def __init__(
        self,
        target: Target,
        *,
        momentum: float = 0.9,
        use_nesterov: bool = False,
        multi_precision: bool = True,
        weight_decay: Optional[float] = None,
        exclusions: Exclusions = Exclusions(),
    ) -> None:
        require("momentum", momentum, 0.0, below=1.0)
        super().__init__(
            **target.arguments(),
            momentum=momentum,
            use_nesterov=use_nesterov,
            weight_decay=target.gradient_decay(weight_decay, exclusions),
            multi_precision=multi_precision,
        )


class RMSProp(paddle.optimizer.RMSProp):
    """Gradients over the root of their mean square, which `rho` averages; `momentum` on top."""

    def __init__(
        self,
        target: Target,
        *,
        momentum: float = 0.0,
        rho: float = 0.95,
        epsilon: float = 1e-6,
        weight_decay: Optional[float] = None,
        exclusions: Exclusions = Exclusions(),
    ) -> None:
        require("momentum", momentum, 0.0, below=1.0)
        require("rho", rho, 0.0, below=1.0)
        super().__init__(
            **target.arguments(),
            rho=rho,
            epsilon=epsilon,
            momentum=momentum,
            weight_decay=target.gradient_decay(weight_decay, exclusions),
        )


class Adam(paddle.optimizer.Adam):
    """Source: arXiv 1412.6980. Decay goes through the gradient, as L2; AdamW's does not."""

    def __init__(
        self,
        target: Target,
        *,
        betas: Betas = Betas(),
        epsilon: float = 1e-8,
        multi_precision: bool = False,
        weight_decay: Optional[float] = None,
        exclusions: Exclusions = Exclusions(),
    ) -> None:
        super().__init__(
            **target.arguments(),
            **asdict(betas),
            epsilon=epsilon,
            weight_decay=target.gradient_decay(weight_decay, exclusions),
            multi_precision=multi_precision,
        )


class AdamW(DecayOfEach, paddle.optimizer.AdamW):
    """Adam whose decay multiplies the weights by `1 - rate * weight_decay`. Source: arXiv 1711.05101."""

    def __init__(
        self,
        target: Target,
        *,
        betas: Betas = Betas(),
        epsilon: float = 1e-8,
        multi_precision: bool = False,
        weight_decay: float = 0.01,
        exclusions: Exclusions = Exclusions(),
    ) -> None:
        target.refuse_regularizer("AdamW")
        self.decays = target.decays(weight_decay, exclusions)
        super().__init__(
            **target.arguments(),
            **asdict(betas),
            epsilon=epsilon,
            weight_decay=float(weight_decay),
            multi_precision=multi_precision,
        )
