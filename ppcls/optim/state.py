"""An optimizer's state under the names of the model's state dict.

Paddle names it after counters of the process (`conv2d_3.w_0_velocity_0`), which another process, or a second
model in this one, counts differently.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import paddle
from numpy.typing import NDArray
from paddle import nn

from ppcls.errors import CheckpointError
from ppcls.paddle_private import state_of


def refuse_misfits(where: str, expected: Mapping[str, paddle.Tensor], given: Mapping[str, NDArray[Any]]) -> None:
    """Raise CheckpointError, listing names and shapes, unless `given` has just the entries of `expected`."""
    faults = [f"no '{name}'" for name in expected if name not in given]
    faults += [f"unknown '{name}'" for name in given if name not in expected]
    faults += [
        f"'{name}' has shape {list(given[name].shape)} instead of {list(tensor.shape)}"
        for name, tensor in expected.items()
        if name in given and list(given[name].shape) != list(tensor.shape)
    ]
    if faults:
        more = f" and {len(faults) - 5} more" if len(faults) > 5 else ""
        raise CheckpointError(
            f"{where}: does not fit; {', '.join(faults[:5])}{more}; "
            "resume with the architecture and the settings that the checkpoint was written with"
        )


def _variables(optimizer: paddle.optimizer.Optimizer, model: nn.Layer) -> dict[str, paddle.Tensor]:
    """Return the tensors that hold the state, as `parameter/kind`, for all trainable parameters: always complete."""
    return state_of(optimizer, {name: p for name, p in model.named_parameters() if not p.stop_gradient})


def optimizer_state(optimizer: paddle.optimizer.Optimizer, model: nn.Layer) -> dict[str, NDArray[Any]]:
    """Return a copy of everything an update reads beside weights and gradients (bfloat16 as its uint16 bits).

    `model`: the one the optimizer was built with, not its DataParallel wrapper.
    """
    return {name: np.array(variable.numpy()) for name, variable in _variables(optimizer, model).items()}


def load_optimizer_state(
    optimizer: paddle.optimizer.Optimizer, model: nn.Layer, state: Mapping[str, NDArray[Any]]
) -> None:
    """Take back an `optimizer_state`. Raises CheckpointError, having changed nothing, if it doesn't fit."""
    variables = _variables(optimizer, model)
    refuse_misfits("checkpoint: optimizer state", variables, state)
    for name, variable in variables.items():
        variable.set_value(state[name])
