"""Which parameters get weight decay, and how it reaches them."""

from typing import Optional, Union

import paddle
from paddle import nn

from ppcls.optim.ranges import require
from ppcls.optim.regularizers import L1, L2

NO_DECAY = paddle.regularizer.L2Decay(0.0)


def undecayed(model: nn.Layer, *, no_weight_decay_name: Optional[str], one_dim_param_no_weight_decay: bool) -> set[str]:
    """Return the names, as Paddle's optimizers know them, of the parameters that weight decay leaves alone.

    `no_weight_decay_name`: space-separated parts of names in the model's state dict, such as "bn .bias".
    `one_dim_param_no_weight_decay`: biases and normalization weights.
    """
    parts = (no_weight_decay_name or "").split()
    return {
        parameter.name
        for name, parameter in model.named_parameters()
        if any(part in name for part in parts) or (one_dim_param_no_weight_decay and parameter.ndim == 1)
    }


def gradient_decay(
    model: nn.Layer,
    regularizer: Optional[Union[L1, L2]],
    weight_decay: Optional[float],
    *,
    no_weight_decay_name: Optional[str],
    one_dim_param_no_weight_decay: bool,
) -> Optional[Union[L1, L2]]:
    """Return the regularizer for a Paddle optimizer; `weight_decay` is short for L2 with that coefficient.

    Excluded parameters get a regularizer of their own, which Paddle prefers to the optimizer's: this keeps
    Momentum's fused decay, and, unlike Paddle's parameter groups, the learning-rate multipliers of the model.
    """
    if regularizer is not None and weight_decay is not None:
        raise ValueError(
            f"weight_decay: stated twice; received weight_decay {weight_decay} beside a regularizer; keep one"
        )
    if weight_decay is not None:
        require("weight_decay", weight_decay, 0.0)
        regularizer = L2(coeff=weight_decay)
    excluded_names = undecayed(
        model,
        no_weight_decay_name=no_weight_decay_name,
        one_dim_param_no_weight_decay=one_dim_param_no_weight_decay,
    )
    for parameter in model.parameters():
        if parameter.name in excluded_names:
            parameter.regularizer = NO_DECAY
    return regularizer
