"""When a run saves within an epoch."""

import signal
import time
from types import FrameType
from typing import Any, Optional

import numpy as np

from ppcls.engine import ranks

# Several ranks ask each other about so often; each time they wait for their devices.
AGREE_SECONDS = 1.0


class SavePoints:
    """Tells when a run saves within an epoch: every `steps` updates, after `minutes`, or as SIGTERM has come.

    In its context SIGTERM ends the run no more, but is noted. -1 `steps` or `minutes` mean never.
    """

    def __init__(self, steps: int, minutes: float) -> None:
        self.steps, self.seconds = steps, 60 * minutes
        self.last_time = self.last_agreed = time.monotonic()
        self.batches = self.batches_to_agree = 0  # since the ranks agreed, and until they do so again
        self.told_to_stop = False  # as this rank knows
        self.stops = self.is_late = False  # as all ranks know

    def __enter__(self) -> "SavePoints":
        self._before: Any = signal.signal(signal.SIGTERM, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        if not self.stops:  # else this process ends with its own status, however often it is told to
            signal.signal(signal.SIGTERM, self._before)

    def _note(self, _number: int, _frame: Optional[FrameType]) -> None:
        self.told_to_stop = True

    def count_batch(self) -> None:
        """Count a batch, and let all ranks agree if it is time; every rank must call it."""
        self.batches += 1
        if ranks.world_size() == 1 or self.batches >= self.batches_to_agree:
            self.agree()

    def agree(self) -> None:
        """Let all ranks know of a signal, or of a clock that has run out, on one of them; every rank must call it."""
        now = time.monotonic()
        is_late = 0 <= self.seconds <= now - self.last_time
        milliseconds = int(1000 * (now - self.last_agreed))  # whole, and so the same sum on every rank
        stops, late, total = ranks.sum_over_ranks(np.array([self.told_to_stop, is_late, milliseconds]))
        self.stops, self.is_late = bool(stops), bool(late)
        if self.stops:
            self.told_to_stop = True
        interval = max(total, 1) / ranks.world_size() / 1000
        self.batches_to_agree = int(AGREE_SECONDS / interval * self.batches)
        self.batches, self.last_agreed = 0, now

    def is_due(self, step: int) -> bool:
        """Return whether to save after update number `step` of the run; the same on all ranks."""
        return self.stops or self.is_late or (self.steps > 0 and step % self.steps == 0)

    def saved(self) -> None:
        """Start the clock anew."""
        self.last_time, self.is_late = time.monotonic(), False
