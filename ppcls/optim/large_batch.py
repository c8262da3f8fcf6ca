"""The optimizers for batches of thousands: each layer moves in proportion to its own weights (docs/scaling.md)."""

from dataclasses import asdict

import paddle

from ppcls.optim.groups import Exclusions, Target
from ppcls.optim.optimizers import Betas
from ppcls.optim.ranges import require
from ppcls.paddle_private import DecayOfEach, MomentumOfMoves


class LarsMomentum(MomentumOfMoves):
    """Momentum whose rate in each layer is `lars_coeff * norm(weight) / (norm(gradient) + decay * norm(weight))`.

    The velocity is `momentum * v + rate * (gradient + decay * weight)`, so it keeps the rates of earlier steps.
    Parameters that are not decayed move as with Momentum. Source: arXiv 1708.03888, algorithm 1.

    `paddle.incubate.optimizer.LarsMomentumOptimizer` has this rule too, but in dynamic graphs no master weights.
    """

    def __init__(
        self,
        target: Target,
        *,
        momentum: float = 0.9,
        lars_coeff: float = 0.001,
        epsilon: float = 0.0,
        multi_precision: bool = True,
        weight_decay: float = 0.0005,
        exclusions: Exclusions = Exclusions(),
    ) -> None:
        target.refuse_regularizer("LarsMomentum")
        require("momentum", momentum, 0.0, below=1.0)
        require("lars_coeff", lars_coeff, 0.0)
        require("epsilon", epsilon, 0.0)
        super().__init__(**target.arguments(), momentum=momentum, multi_precision=multi_precision)
        self.coeff, self.epsilon = lars_coeff, epsilon
        self.decays = target.decays(weight_decay, exclusions)

    def move(self, name: str, weight: paddle.Tensor, gradient: paddle.Tensor) -> paddle.Tensor:
        """Return what the velocity of a parameter takes in, before the learning rate."""
        decay = self.decays[name]
        return self._local_rate(weight, gradient, decay) * (gradient + decay * weight) if decay else gradient

    def _local_rate(self, weight: paddle.Tensor, gradient: paddle.Tensor, decay: float) -> paddle.Tensor:
        """Return the layer's share of the learning rate; 1 where a norm is 0, as for a bias that begins there."""
        of_weight, of_gradient = weight.norm(), gradient.norm()
        rate = self.coeff * of_weight / (of_gradient + decay * of_weight + self.epsilon)
        return paddle.where(of_weight * of_gradient > 0, rate, paddle.ones_like(rate))


class Lamb(DecayOfEach, paddle.optimizer.Lamb):
    """AdamW whose step in each layer is as long as `rate * norm(weight)`. Source: arXiv 1904.00962, algorithm 2.

    Parameters that are not decayed move as with Adam; so a decay of 0 is refused.
    """

    def __init__(
        self,
        target: Target,
        *,
        betas: Betas = Betas(),
        epsilon: float = 1e-6,
        multi_precision: bool = False,
        weight_decay: float = 0.01,
        exclusions: Exclusions = Exclusions(),
    ) -> None:
        target.refuse_regularizer("Lamb")
        if weight_decay <= 0:
            raise ValueError(f"weight_decay: Lamb without decay is Adam; received {weight_decay}; use Adam")
        self.decays = target.decays(weight_decay, exclusions)
        super().__init__(
            **target.arguments(),
            lamb_weight_decay=float(weight_decay),
            **asdict(betas),
            epsilon=epsilon,
            exclude_from_weight_decay_fn=lambda parameter: not self.decays[parameter.name],
            multi_precision=multi_precision,
        )
