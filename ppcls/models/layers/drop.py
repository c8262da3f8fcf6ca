"""What acts in training alone: stochastic depth."""

from collections.abc import Sequence
from typing import Any, Union

import numpy as np
import paddle
from paddle import nn

from ppcls.errors import ConfigError
from ppcls.models.layers.operators import Operation


class DropPath(Operation, nn.Layer):
    """Drop the residual branch of a sample with probability `rate`; what stays is scaled by 1 / (1 - rate).

    Source: https://arxiv.org/abs/1603.09382, section 3.
    """

    operation = "drop_path"

    def __init__(self, rate: float = 0.0) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: paddle.Tensor) -> Any:
        return self.operators.drop_path(self, x) if self.training and self.rate else x


def drop_rates(last: float, num_blocks: int) -> Sequence[float]:
    """Return the rate of each block, growing linearly from 0 to `last`."""
    return [float(rate) for rate in np.linspace(0, last, num_blocks)]


class Dropout(nn.Dropout):
    """Set entries to zero with probability `rate` in training; what stays is scaled by 1 / (1 - rate).

    Several rates are those of the stages of a training (`at_stage`), which begins with the first one.
    `scale_in_evaluation`: PaddleClas's older way, which scales by 1 - rate in evaluation instead.
    """

    def __init__(self, rate: Union[float, Sequence[float]], *, scale_in_evaluation: bool = False) -> None:
        rates = [rate] if isinstance(rate, (int, float)) else rate
        super().__init__(rates[0], mode="downscale_in_infer" if scale_in_evaluation else "upscale_in_train")
        self.rates = rates


def at_stage(model: nn.Layer, stage: int, count: int) -> None:
    """Give the dropouts of a model that have several rates the one of a stage of the training; of one, the first.

    Raises ConfigError if they have another number of rates than there are stages.
    """
    for layer in model.sublayers():
        if isinstance(layer, Dropout) and len(layer.rates) > 1:
            if count not in (1, len(layer.rates)):
                raise ConfigError(
                    f"Arch.dropout_rate: must have a rate for each of the {count} stages of the training; received "
                    f"{list(layer.rates)}; give as many, or one"
                )
            layer.p = layer.rates[stage]
