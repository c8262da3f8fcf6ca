"""The optimizers that a config can name: Paddle's, with PaddleClas's arguments.

The builder gives the model, the first learning rate, and `regularizer` and `clip_norm` of the section; the
rate of each update is set with `optimizer.set_lr(schedule.lr(step))`, which does not wait for the device.

Arguments that they share: `weight_decay` (short for an L2 regularizer, except in AdamW), `multi_precision`
(float32 master weights where the model's are float16 or bfloat16), and those of `groups.undecayed`.
"""

from typing import Optional, Union

import paddle
from paddle import nn

from ppcls.optim.groups import gradient_decay, undecayed
from ppcls.optim.ranges import require
from ppcls.optim.regularizers import L1, L2


def clipping(clip_norm: Optional[float]) -> Optional[nn.ClipGradByGlobalNorm]:
    """Return what scales all gradients so that their joint L2 norm is at most `clip_norm`.

    PaddleClas bounds the norm of each tensor by itself, which turns the direction of the update.
    """
    if clip_norm is None:
        return None
    if clip_norm <= 0:
        raise ValueError(f"clip_norm: not positive; received {clip_norm}; leave it out for no clipping")
    return nn.ClipGradByGlobalNorm(clip_norm)


def refuse_regularizer(optimizer: str, regularizer: Optional[Union[L1, L2]]) -> None:
    """Raise ValueError for an optimizer whose decay is a part of its own rule."""
    if regularizer is not None:
        raise ValueError(
            f"regularizer: {optimizer} has a decay of its own; received {type(regularizer).__name__}; use weight_decay"
        )


class SGD(paddle.optimizer.SGD):
    """Stochastic gradient descent without momentum."""

    def __init__(
        self,
        model: nn.Layer,
        learning_rate: float,
        regularizer: Optional[Union[L1, L2]],
        clip_norm: Optional[float],
        /,
        *,
        multi_precision: bool = False,
        weight_decay: Optional[float] = None,
        no_weight_decay_name: Optional[str] = None,
        one_dim_param_no_weight_decay: bool = False,
    ) -> None:
        super().__init__(
            learning_rate=learning_rate,
            parameters=model.parameters(),
            weight_decay=gradient_decay(
                model,
                regularizer,
                weight_decay,
                no_weight_decay_name=no_weight_decay_name,
                one_dim_param_no_weight_decay=one_dim_param_no_weight_decay,
            ),
            grad_clip=clipping(clip_norm),
            multi_precision=multi_precision,
        )


class Momentum(paddle.optimizer.Momentum):
    """Stochastic gradient descent with a velocity: `v = momentum * v + gradient`."""

    def __init__(
        self,
        model: nn.Layer,
        learning_rate: float,
        regularizer: Optional[Union[L1, L2]],
        clip_norm: Optional[float],
        /,
        *,
        momentum: float = 0.9,
        use_nesterov: bool = False,
        multi_precision: bool = True,
        weight_decay: Optional[float] = None,
        no_weight_decay_name: Optional[str] = None,
        one_dim_param_no_weight_decay: bool = False,
    ) -> None:
        require("momentum", momentum, 0.0, below=1.0)
        super().__init__(
            learning_rate=learning_rate,
            momentum=momentum,
            parameters=model.parameters(),
            use_nesterov=use_nesterov,
            weight_decay=gradient_decay(
                model,
                regularizer,
                weight_decay,
                no_weight_decay_name=no_weight_decay_name,
                one_dim_param_no_weight_decay=one_dim_param_no_weight_decay,
            ),
            grad_clip=clipping(clip_norm),
            multi_precision=multi_precision,
        )


class RMSProp(paddle.optimizer.RMSProp):
    """Gradients over the root of their mean square, which `rho` averages; `momentum` on top."""

    def __init__(
        self,
        model: nn.Layer,
        learning_rate: float,
        regularizer: Optional[Union[L1, L2]],
        clip_norm: Optional[float],
        /,
        *,
        momentum: float = 0.0,
        rho: float = 0.95,
        epsilon: float = 1e-6,
        weight_decay: Optional[float] = None,
        no_weight_decay_name: Optional[str] = None,
        one_dim_param_no_weight_decay: bool = False,
    ) -> None:
        require("momentum", momentum, 0.0, below=1.0)
        require("rho", rho, 0.0, below=1.0)
        super().__init__(
            learning_rate=learning_rate,
            rho=rho,
            epsilon=epsilon,
            momentum=momentum,
            parameters=model.parameters(),
            weight_decay=gradient_decay(
                model,
                regularizer,
                weight_decay,
                no_weight_decay_name=no_weight_decay_name,
                one_dim_param_no_weight_decay=one_dim_param_no_weight_decay,
            ),
            grad_clip=clipping(clip_norm),
        )


class Adam(paddle.optimizer.Adam):
    """Source: arXiv 1412.6980. Decay goes through the gradient, as L2; AdamW's does not."""

    def __init__(
        self,
        model: nn.Layer,
        learning_rate: float,
        regularizer: Optional[Union[L1, L2]],
        clip_norm: Optional[float],
        /,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        multi_precision: bool = False,
        weight_decay: Optional[float] = None,
        no_weight_decay_name: Optional[str] = None,
        one_dim_param_no_weight_decay: bool = False,
    ) -> None:
        require("beta1", beta1, 0.0, below=1.0)
        require("beta2", beta2, 0.0, below=1.0)
        super().__init__(
            learning_rate=learning_rate,
            beta1=beta1,
            beta2=beta2,
            epsilon=epsilon,
            parameters=model.parameters(),
            weight_decay=gradient_decay(
                model,
                regularizer,
                weight_decay,
                no_weight_decay_name=no_weight_decay_name,
                one_dim_param_no_weight_decay=one_dim_param_no_weight_decay,
            ),
            grad_clip=clipping(clip_norm),
            multi_precision=multi_precision,
        )


class AdamW(paddle.optimizer.AdamW):
    """Adam whose decay multiplies the weights by `1 - rate * weight_decay`. Source: arXiv 1711.05101."""

    def __init__(
        self,
        model: nn.Layer,
        learning_rate: float,
        regularizer: Optional[Union[L1, L2]],
        clip_norm: Optional[float],
        /,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        multi_precision: bool = False,
        weight_decay: float = 0.01,
        no_weight_decay_name: Optional[str] = None,
        one_dim_param_no_weight_decay: bool = False,
    ) -> None:
        refuse_regularizer("AdamW", regularizer)
        require("beta1", beta1, 0.0, below=1.0)
        require("beta2", beta2, 0.0, below=1.0)
        require("weight_decay", weight_decay, 0.0)
        excluded_names = undecayed(
            model,
            no_weight_decay_name=no_weight_decay_name,
            one_dim_param_no_weight_decay=one_dim_param_no_weight_decay,
        )
        super().__init__(
            learning_rate=learning_rate,
            beta1=beta1,
            beta2=beta2,
            epsilon=epsilon,
            parameters=model.parameters(),
            weight_decay=float(weight_decay),
            apply_decay_param_fun=lambda name: name not in excluded_names,
            grad_clip=clipping(clip_norm),
            multi_precision=multi_precision,
        )
