"""Averages over samples of values that stay on the device until somebody reads them."""

from collections.abc import Sequence

import numpy as np
import paddle

from ppcls.metrics.base import MAX_PENDING, NOTHING, State


class Averages:
    """Exact averages of means over batches: sums over samples divided by their number, in float64.

    Adding a batch costs no device sync; all that was added since the last time is read at once.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(names)
        self.totals = np.zeros(len(self.names))
        self.num_samples = 0
        self.pending: list[paddle.Tensor] = []
        self.pending_samples: list[int] = []

    def add(self, num_samples: int, means: Sequence[paddle.Tensor]) -> None:
        """Add a batch: a scalar tensor for each name."""
        self.pending.append(paddle.stack([mean.detach().astype("float32") for mean in means]))
        self.pending_samples.append(num_samples)
        self.num_samples += num_samples
        if len(self.pending) >= MAX_PENDING:
            self._drain()

    def _drain(self) -> None:
        if not self.pending:
            return
        rows = paddle.stack(self.pending).numpy().astype("float64")
        # One after the other, so that the sum does not depend on when it is read.
        weighted = rows * np.array(self.pending_samples)[:, None]
        self.totals = np.add.accumulate([self.totals, *weighted])[-1]
        self.pending, self.pending_samples = [], []

    def state(self) -> State:
        """Return the sums so far."""
        self._drain()
        return {"totals": self.totals, "samples": np.array(self.num_samples)}

    def reset(self, state: State = NOTHING) -> None:
        """Begin with nothing, or with an earlier `state`."""
        self.totals = state["totals"] if state else np.zeros(len(self.names))
        self.num_samples = int(state["samples"]) if state else 0
        self.pending, self.pending_samples = [], []

    @staticmethod
    def merged(states: Sequence[State]) -> State:
        """Return the states of several ranks as one."""
        return {name: np.sum([state[name] for state in states], axis=0) for name in states[0]}

    def compute(self, state: State) -> dict[str, float]:
        """Return the averages."""
        return dict(zip(self.names, (state["totals"] / max(int(state["samples"]), 1)).tolist()))
