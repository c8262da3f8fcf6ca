"""What acts in training alone: stochastic depth."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import paddle
from paddle import nn

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

    `scale_in_evaluation`: PaddleClas's older way, which scales by 1 - rate in evaluation instead.
    """

    def __init__(self, rate: float, *, scale_in_evaluation: bool = False) -> None:
        super().__init__(rate, mode="downscale_in_infer" if scale_in_evaluation else "upscale_in_train")
