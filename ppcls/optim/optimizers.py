"""The optimizers that a config can name: Paddle's, with PaddleClas's arguments.

The rate of each update is set with `optimizer.set_lr(schedule.lr(step))`, which does not wait for the device.

Arguments that they share: `weight_decay` (short for an L2 regularizer, except in AdamW), `multi_precision`
(float32 master weights where the model's are float16 or bfloat16), and those of `Exclusions`.
"""

import re
from dataclasses import asdict, dataclass, replace
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
        target.refuse_regularizer(type(self).__name__)
        self.decays = target.decays(weight_decay, exclusions)
        super().__init__(
            **target.arguments(),
            **asdict(betas),
            epsilon=epsilon,
            weight_decay=float(weight_decay),
            multi_precision=multi_precision,
        )


class AdamWDL(AdamW):
    """AdamW whose rate falls by `layerwise_decay` a block towards the input, for transformers with layers `blocks.N`.

    What is behind the blocks keeps the whole rate; what is before them is one step below the first block. With
    `filter_bias_and_bn` biases and norms are not decayed. Source: BEiT, arXiv 2106.08254, section 3.1.
    """

    def __init__(
        self,
        target: Target,
        *,
        betas: Betas = Betas(),
        epsilon: float = 1e-8,
        multi_precision: bool = False,
        weight_decay: float = 0.01,
        layerwise_decay: float = 1.0,
        filter_bias_and_bn: bool = True,
        exclusions: Exclusions = Exclusions(),
    ) -> None:
        require("layerwise_decay", layerwise_decay, 0.0)
        super().__init__(
            target,
            betas=betas,
            epsilon=epsilon,
            multi_precision=multi_precision,
            weight_decay=weight_decay,
            exclusions=replace(exclusions, one_dim_param_no_weight_decay=True) if filter_bias_and_bn else exclusions,
        )
        named = target.named()
        num_blocks = 1 + max((_block(name) for name, _ in named), default=-1)
        if not num_blocks and layerwise_decay != 1:
            raise ValueError(
                f"layerwise_decay: the model has no layers 'blocks.N'; received {layerwise_decay}; use AdamW, with "
                "lr_factor in param_groups"
            )
        for name, parameter in named:
            before = any(word in name for word in BEFORE_BLOCKS)
            depth = num_blocks - _block(name) if _block(name) >= 0 else (num_blocks + 1) * before
            rate = parameter.optimize_attr["learning_rate"] * layerwise_decay**depth
            parameter.optimize_attr = {**parameter.optimize_attr, "learning_rate": rate}


# Parts of the names of layers before the blocks of a transformer. Source: ppcls/optimizer/optimizer.py of PaddleClas.
BEFORE_BLOCKS = ("embed", "token", "conv1", "ln_pre")


def _block(name: str) -> int:
    """Return the number of the block that a parameter is in, or -1."""
    found = re.search(r"\bblocks\.(\d+)\.", name)
    return int(found[1]) if found else -1
