"""Averages over samples of values that stay on the device until somebody reads them."""

from collections.abc import Mapping, Sequence
from typing import Any, Optional

import numpy as np
import paddle

from ppcls.engine import ranks

# Values are read back after this many batches at the latest, so that their number stays bounded.
MAX_PENDING = 256


class Averages:
    """Exact averages of the loss and of metrics: sums over samples divided by their number, in float64.

    Adding a batch costs no device sync; `drain` reads all that was added since the last time at once.
    `saved` is a `state_dict` to go on from.
    """

    def __init__(self, names: Sequence[str], saved: Optional[Mapping[str, Any]] = None) -> None:
        self.names = ["loss", *names]
        self.totals = np.zeros(len(self.names))
        self.num_samples = 0
        if saved and saved["names"] == self.names:
            self.totals, self.num_samples = _own_row(np.array(saved["rows"]))
        self.num_batches = 0  # that this object was given
        self.first_nonfinite: Optional[int] = None  # the first batch that held a NaN or an infinity
        self.pending: list[paddle.Tensor] = []
        self.pending_weights: list[list[int]] = []

    def add(self, num_samples: int, loss: paddle.Tensor, sums: Mapping[str, paddle.Tensor]) -> None:
        """Add a batch: its mean loss, and metrics that are `sums` over its samples; all scalar tensors."""
        values = [value.detach().astype("float32") for value in (loss, *sums.values())]
        self.pending.append(paddle.stack(values))
        self.pending_weights.append([num_samples] + [1] * len(sums))
        self.num_samples += num_samples
        if len(self.pending) >= MAX_PENDING:
            self.drain()

    def drain(self) -> None:
        """Read from the device what was added since the last call."""
        if not self.pending:
            return
        rows = paddle.stack(self.pending).numpy().astype("float64")
        bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
        if bad.size and self.first_nonfinite is None:
            self.first_nonfinite = self.num_batches + int(bad[0])
        # One after the other, so that the sum does not depend on when it is read.
        self.totals = np.add.accumulate([self.totals, *(rows * self.pending_weights)])[-1]
        self.num_batches += len(rows)
        self.pending, self.pending_weights = [], []

    def read(self) -> dict[str, float]:
        """Return the averages over this rank's samples so far."""
        self.drain()
        return dict(zip(self.names, (self.totals / max(self.num_samples, 1)).tolist()))

    def read_all_ranks(self) -> dict[str, float]:
        """Return the averages over the samples of all ranks; every rank must call it."""
        self.drain()
        *sums, num_samples = ranks.sum_over_ranks(np.append(self.totals, self.num_samples))
        return {name: float(total / max(num_samples, 1)) for name, total in zip(self.names, sums)}

    def state_dict(self) -> dict[str, Any]:
        """Return the sums of each rank as plain values; every rank must call it."""
        self.drain()
        return {"names": self.names, "rows": rows_of_ranks([*self.totals, self.num_samples]).tolist()}


def rows_of_ranks(values: Sequence[float]) -> np.ndarray:
    """Return the `values` of every rank as [rank, value], in float64; every rank must call it."""
    rows = np.zeros((ranks.world_size(), len(values)))
    rows[ranks.rank()] = values
    return ranks.sum_over_ranks(rows)


def _own_row(rows: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the totals and samples that this rank goes on from; of another number of ranks the first takes all."""
    same_ranks = len(rows) == ranks.world_size()
    row = rows[ranks.rank()] if same_ranks else rows.sum(axis=0) * (ranks.rank() == 0)
    return row[:-1], int(row[-1])
