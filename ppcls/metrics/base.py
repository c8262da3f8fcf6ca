"""What every metric is: it counts on the device, batch by batch, and its states of several ranks become one."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import paddle
from numpy.typing import NDArray

from ppcls.batch import Batch, LabelKind, Outputs

State = Mapping[str, NDArray[Any]]
NOTHING: State = {}

# Rows are read back after this many batches at the latest, so that what waits on the device stays bounded.
MAX_PENDING = 256


class Metric(ABC):
    """Values of all images that were counted since the last `reset`, by their `names`: each says which way is better.

    The values depend on the images alone: not on the size of batches, the number of ranks, or who counted what.
    """

    names: Mapping[str, Literal["max", "min"]]
    takes: frozenset[LabelKind]

    @abstractmethod
    def update(self, outputs: Outputs, batch: Batch) -> None:
        """Count a batch, on the device: nothing waits for it."""

    @abstractmethod
    def state(self) -> State:
        """Return what was counted."""

    @abstractmethod
    def reset(self, state: State = NOTHING) -> None:
        """Count from nothing, or from an earlier `state`."""

    @staticmethod
    @abstractmethod
    def merged(states: Sequence[State]) -> State:
        """Return the states of several ranks as that of one which had counted all of it."""

    @abstractmethod
    def compute(self, state: State) -> dict[str, float]:
        """Return the values."""


class SumMetric(Metric):
    """A metric that needs only sums over images, of whole numbers: of these `shapes`, by name."""

    def __init__(self, shapes: Mapping[str, Sequence[int]]) -> None:
        self._shapes = shapes
        self.reset()

    @abstractmethod
    def measure(self, outputs: Outputs, batch: Batch) -> Mapping[str, paddle.Tensor]:
        """Return the sums over a batch, int64."""

    def update(self, outputs: Outputs, batch: Batch) -> None:
        with paddle.no_grad():
            for name, value in self.measure(outputs, batch).items():
                self._sums[name] = self._sums[name] + value

    def state(self) -> State:
        return {name: np.array(value.numpy()) for name, value in self._sums.items()}

    def reset(self, state: State = NOTHING) -> None:
        self._sums = {
            name: paddle.to_tensor(state[name]) if state else paddle.zeros(list(shape), "int64")
            for name, shape in self._shapes.items()
        }

    @staticmethod
    def merged(states: Sequence[State]) -> State:
        return {name: np.sum([state[name] for state in states], axis=0) for name in states[0]}


class RowMetric(Metric):
    """A metric that needs every image: rows of these `widths` (0: a number each), by name."""

    def __init__(self, widths: Mapping[str, int]) -> None:
        self._widths = widths
        self.reset()

    @abstractmethod
    def rows(self, outputs: Outputs, batch: Batch) -> Mapping[str, paddle.Tensor]:
        """Return a row for each image of a batch, float32."""

    def update(self, outputs: Outputs, batch: Batch) -> None:
        with paddle.no_grad():
            self._pending.append(self.rows(outputs, batch))
        if len(self._pending) >= MAX_PENDING:
            self._drain()

    def state(self) -> State:
        self._drain()
        return {name: _joined(parts) for name, parts in self._parts.items()}

    def reset(self, state: State = NOTHING) -> None:
        empty = {name: np.zeros([0, width] if width else [0], "float32") for name, width in self._widths.items()}
        self._parts = {name: [np.asarray(rows)] for name, rows in (state or empty).items()}
        self._pending: list[Mapping[str, paddle.Tensor]] = []

    def _drain(self) -> None:
        if self._pending:
            for name, parts in self._parts.items():
                parts.append(paddle.concat([rows[name].astype("float32") for rows in self._pending]).numpy())
            self._pending = []

    @staticmethod
    def merged(states: Sequence[State]) -> State:
        return {name: _joined([state[name] for state in states]) for name in states[0]}


def _joined(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Return all rows; the width of features is known from the first ones."""
    return np.concatenate([part for part in parts if len(part)] or parts[:1])


def mean_of(values: NDArray[np.float64]) -> float:
    """Return the mean, the same to the last bit in whatever order the values came; 0 of nothing."""
    return math.fsum(values) / max(len(values), 1)
