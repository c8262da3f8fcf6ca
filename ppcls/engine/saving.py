"""When a run saves within an epoch."""

import signal
import time
from types import FrameType
from typing import Any, Optional

import numpy as np

from ppcls.run import dist


class SavePoints:
    """Tells when a run saves within an epoch: every `steps` updates, after `minutes`, or as SIGTERM has come.

    In its context SIGTERM ends the run no more, but is noted. -1 `steps` or `minutes` mean never.
    """

    def __init__(self, steps: int, minutes: float) -> None:
        self.steps, self.seconds = steps, 60 * minutes
        self.last_time = time.monotonic()
        self.told_to_stop = False  # this rank
        self.stops = self.is_late = False  # what all ranks know

    def __enter__(self) -> "SavePoints":
        self._before: Any = signal.signal(signal.SIGTERM, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGTERM, self._before)

    def _note(self, _number: int, _frame: Optional[FrameType]) -> None:
        self.told_to_stop = True

    def agree(self) -> None:
        """Let all ranks know of a signal, or of a clock that has run out, on one of them; every rank must call it."""
        is_late = 0 <= self.seconds <= time.monotonic() - self.last_time
        self.stops, self.is_late = (bool(n) for n in dist.sum_over_ranks(np.array([self.told_to_stop, is_late])))

    def is_due(self, step: int) -> bool:
        """Return whether to save after update number `step` of the run; the same on all ranks."""
        return self.stops or self.is_late or (self.steps > 0 and step % self.steps == 0)

    def saved(self) -> None:
        """Start the clock anew."""
        self.last_time, self.is_late = time.monotonic(), False
