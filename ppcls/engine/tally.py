"""Loss, its terms and metrics over the samples of an epoch or of an evaluation."""

from collections.abc import Mapping, Sequence
from typing import Any, Optional

import numpy as np
import paddle

from ppcls.batch import Batch, Outputs
from ppcls.engine import ranks
from ppcls.engine.averages import Averages
from ppcls.losses.base import total_of
from ppcls.metrics.base import Metric, State


class Tally:
    """All that is counted of the batches that were added since the last `reset`; the terms only if there are several.

    Without a loss, as in an evaluation of retrieval, `terms` is None.

    `last` holds, after `read_all_ranks`, the state of each metric over all ranks, for those who show more than values.
    """

    def __init__(self, terms: Optional[Sequence[str]], metrics: Sequence[Metric]) -> None:
        self.averages = Averages([] if terms is None else ["loss", *(terms if len(terms) > 1 else [])])
        self.metrics = metrics
        self.last: Sequence[State] = ()

    @property
    def num_samples(self) -> int:
        return self.averages.num_samples

    @property
    def _counters(self) -> list[Any]:
        return [self.averages, *self.metrics]

    def add(self, outputs: Outputs, batch: Batch, terms: Mapping[str, paddle.Tensor]) -> None:
        """Count a batch; nothing waits for the device."""
        if terms:
            self.averages.add(len(batch), [total_of(terms), *(terms.values() if len(terms) > 1 else [])])
        for metric in self.metrics:
            metric.update(outputs, batch)

    def read(self) -> dict[str, float]:
        """Return loss, terms and metrics over this rank's samples so far."""
        return self._values([counter.state() for counter in self._counters])

    def read_all_ranks(self) -> dict[str, float]:
        """Return them over the samples of all ranks; every rank must call it."""
        states = [counter.merged(ranks.gather(counter.state())) for counter in self._counters]
        self.last = states[1:]
        return self._values(states)

    def _values(self, states: Sequence[State]) -> dict[str, float]:
        values: dict[str, float] = {}
        for counter, state in zip(self._counters, states):
            values.update(counter.compute(state))
        return values

    def reset(self) -> None:
        """Count from nothing."""
        for counter in self._counters:
            counter.reset()

    def state_dict(self) -> dict[str, Any]:
        """Return what each rank has counted; every rank must call it."""
        return {"names": self._names(), "ranks": [ranks.gather(counter.state()) for counter in self._counters]}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Take back a `state_dict`; start at zero if it is of other metrics. Of other ranks, the first takes all."""
        self.reset()
        if saved.get("names") != self._names():
            return
        of_ranks = saved["ranks"] if "ranks" in saved else self._of_rows(saved["rows"])
        for counter, states in zip(self._counters, of_ranks):
            if len(states) == ranks.world_size():
                counter.reset(states[ranks.rank()])
            elif ranks.rank() == 0:
                counter.reset(counter.merged(states))

    def _of_rows(self, rows: Sequence[Sequence[float]]) -> list[list[State]]:
        """Return what checkpoints held when all metrics were TopkAcc: for each rank its sums, and last its samples."""
        table, start = np.array(rows), len(self.averages.names)
        found: list[list[State]] = [[{"totals": row[:start], "samples": row[-1].astype(int)} for row in table]]
        for metric in self.metrics:
            end = start + len(metric.names)
            found.append([{"right": row[start:end].astype(int), "images": row[-1].astype(int)} for row in table])
            start = end
        return found

    def _names(self) -> list[str]:
        # One that gives no number has a state all the same.
        of_metrics = [metric.names or [type(metric).__name__] for metric in self.metrics]
        return [*self.averages.names, *(name for names in of_metrics for name in names)]
