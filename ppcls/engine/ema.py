"""Running averages of the weights during training, to evaluate and keep instead of the last ones."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import paddle
from numpy.typing import NDArray
from paddle import nn

from ppcls.optim.ranges import require
from ppcls.optim.state import refuse_misfits


class Ema:
    """Of each floating entry of the state dict, in float32, `decay * average + (1 - decay) * value`.

    That includes batch-norm statistics. Other entries are copied.
    """

    def __init__(self, model: nn.Layer, decay: float) -> None:
        require("decay", decay, 0.0, below=1.0)
        self.model = model
        self.averages = {name: _detached(entry) for name, entry in model.state_dict().items()}
        self.rate = paddle.to_tensor(1 - decay, dtype="float32")

    def update(self) -> None:
        """Take in the model's present state; called after each optimizer update."""
        with paddle.no_grad():
            for name, entry in self.model.state_dict().items():
                average = self.averages[name]
                if entry.is_floating_point():
                    average.lerp_(entry.astype("float32"), self.rate)
                else:
                    paddle.assign(entry, average)

    @contextlib.contextmanager
    def swapped(self) -> Iterator[None]:
        """Let the model hold the averages inside the `with`, and its own state again after it."""
        with paddle.no_grad():
            own = {name: entry.clone() for name, entry in self.model.state_dict().items()}
            self._fill(self.averages)
        try:
            yield
        finally:
            with paddle.no_grad():
                self._fill(own)

    def _fill(self, values: Mapping[str, paddle.Tensor]) -> None:
        for name, entry in self.model.state_dict().items():
            paddle.assign(values[name].astype(entry.dtype), entry)

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Return a copy of the averages under the model's names."""
        return {name: np.array(average.numpy()) for name, average in self.averages.items()}

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take back a `state_dict`. Raises CheckpointError, having changed nothing, if it doesn't fit."""
        refuse_misfits("checkpoint: EMA", self.averages, state)
        for name, average in self.averages.items():
            average.set_value(state[name])


class NoEma:
    """Stands for an Ema where none is wanted."""

    averages: Mapping[str, paddle.Tensor] = {}

    def update(self) -> None:
        """Do nothing."""

    def swapped(self) -> contextlib.AbstractContextManager[None]:
        """Leave the model as it is."""
        return contextlib.nullcontext()

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Return nothing."""
        return {}

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Do nothing."""


def _detached(entry: paddle.Tensor) -> paddle.Tensor:
    copy = entry.detach().clone()
    return copy.astype("float32") if entry.is_floating_point() else copy
