"""When a training ends before its epochs do: after so many updates, or in time."""

import json
import logging
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

from ppcls.config.schema import RunConfig
from ppcls.engine import ranks
from ppcls.engine.state import TrainState
from ppcls.errors import ConfigError, DataError
from ppcls.files import write_text
from ppcls.optim.schedules import Trapezoid

logger = logging.getLogger("ppcls")

FILE = "clock.json"
SAVE_SECONDS = 2.0
# Of the time for training, what passes before the learning rate begins to fall.
STAYS = 0.65
# The fall is planned this much longer than there is time for: what makes it end in time is the clock, and a machine
# that became faster does not end early.
LONGER = 1.06
FIRST, LEAST = 3, 20  # updates that are too slow to tell the speed, and those that a training needs at least
WINDOW = 50  # updates whose mean tells the speed


@dataclass(frozen=True)
class Timing:
    """What a command knows of its own time: when it started, and the seconds that an evaluation and its end take."""

    started: float = field(default_factory=time.monotonic)
    eval_seconds: float = 0.0
    reserve_seconds: float = 0.0


class Clock:
    """Ends a training after `max_steps` updates, if that is above 0."""

    def __init__(self, max_steps: int) -> None:
        self.max_steps = max_steps

    @property
    def seconds_left(self) -> Optional[float]:
        """How long the updates may still take; None where that is not the time that ends them."""
        return None

    def tick(self) -> None:
        """Note that a batch is done."""

    def evaluated(self, seconds: float) -> None:
        """Note that an evaluation is done."""

    def is_over(self, step: int) -> bool:
        """Return whether no more updates are to come."""
        return 0 < self.max_steps <= step


class TimedClock(Clock):
    """Ends a training, its last evaluation and what the command does then when `Global.minutes` are over.

    The time that earlier parts of the run took, which were killed or stopped, counts: it is in `clock.json`. The
    learning rate stays until it is time to let it fall; how many updates that takes follows from the speed so far.
    """

    def __init__(
        self, config: RunConfig, state: TrainState, steps_per_epoch: int, folder: Path, timing: Timing
    ) -> None:
        super().__init__(config.Global.max_steps)
        self.budget, self.timing, self.file = 60 * config.Global.minutes, timing, folder / FILE
        self.state, self.steps_per_epoch = state, steps_per_epoch
        self.schedule = _trapezoid(config, state)
        self.before = _read(self.file)
        self.eval_seconds = timing.eval_seconds
        self.begun = self.now
        self.last_tick = self.last_saved = time.monotonic()
        self.last_step = state.step
        self.durations: deque[float] = deque(maxlen=WINDOW)
        self.num_steps = 0
        self.ended = self.now >= self.end  # once and for all: an evaluation may turn out to be shorter
        if self.ended:
            self._refuse_too_short()

    @property
    def seconds_left(self) -> float:
        return max(self.end - self.now, 0.0)

    @property
    def now(self) -> float:
        """Seconds that the run has taken so far."""
        return self.before + time.monotonic() - self.timing.started

    @property
    def end(self) -> float:
        """When the last update must be done."""
        return self.budget - self.timing.reserve_seconds - self.eval_seconds

    def tick(self) -> None:
        moment = time.monotonic()
        if self.state.step > self.last_step:  # else a group of batches is still to be completed
            self._count_updates(moment)
        if moment > self.last_saved + SAVE_SECONDS:
            write_text(self.file, json.dumps({"seconds": self.now}))
            self.last_saved = moment

    def _count_updates(self, moment: float) -> None:
        self.num_steps += 1
        if self.num_steps > FIRST:
            self.durations.append((moment - self.last_tick) / (self.state.step - self.last_step))
        self.last_tick, self.last_step = moment, self.state.step
        if self.schedule.decay is None and self.durations and self.now >= self.begun + STAYS * (self.end - self.begun):
            self._let_fall()
        self.ended = self.ended or self.now >= self.end - self._seconds_per_step / 2
        if self.num_steps == 2 * FIRST or (self.ended and self.num_steps < 2 * FIRST):
            self._refuse_too_short()

    def evaluated(self, seconds: float) -> None:
        self.eval_seconds = seconds
        self.last_tick = time.monotonic()

    def is_over(self, step: int) -> bool:
        decay = self.schedule.decay
        return super().is_over(step) or self.ended or (decay is not None and step >= decay[1])

    @property
    def _seconds_per_step(self) -> float:
        return sum(self.durations) / len(self.durations) if self.durations else 0.0

    def _steps_in(self, seconds: float) -> float:
        """Return how many updates fit, with an evaluation after each epoch."""
        return max(seconds, 0.0) / max(self._seconds_per_step + self.eval_seconds / self.steps_per_epoch, 1e-9)

    def _let_fall(self) -> None:
        step = self.state.step
        self.schedule.decay = (step, step + max(1, round(LONGER * self._steps_in(self.end - self.now))))
        logger.info(f"the learning rate falls from update {step} on, to end in {self.budget / 60:g} min")

    def _refuse_too_short(self) -> None:
        if self.num_steps + self._steps_in(self.end - self.now) >= LEAST or self.state.step > self.num_steps:
            return
        around = self.begun + self.budget - self.end
        least = around + LEAST * self._seconds_per_step + self.eval_seconds
        update = f", an update {self._seconds_per_step:.2f} s" if self.durations else ""
        raise ConfigError(
            f"Global.minutes: too short to train anything here: start and end take {around:.0f} s{update}; "
            f"received {self.budget / 60:g}; give {least / 60 + 0.1:.1f} or more, or smaller images or a smaller model"
        )


def settled(step: int, decay: Optional[Sequence[int]]) -> dict[str, int]:
    """Return what a timed run of `step` updates decided, as keys of a config, which gives the same bits then.

    `decay`: between which updates the learning rate fell, if it did.
    """
    first, last = decay or (step, step + 1)
    return {"Optimizer.lr.decay_from": first, "Optimizer.lr.decay_to": last, "Global.max_steps": step}


def make(config: RunConfig, state: TrainState, steps_per_epoch: int, folder: Path, timing: Timing) -> Clock:
    """Return the clock of a run. Raises ConfigError for a schedule, or ranks, that can't follow it."""
    if config.Global.minutes < 0:
        return Clock(config.Global.max_steps)
    return TimedClock(config, state, steps_per_epoch, folder, timing)


def _trapezoid(config: RunConfig, state: TrainState) -> Trapezoid:
    """Return the schedule, opened in a new run: when it falls is to be decided."""
    schedule = state.schedule
    if not isinstance(schedule, Trapezoid) or ranks.world_size() > 1:
        what = type(schedule).__name__ if ranks.world_size() == 1 else f"{ranks.world_size()} ranks"
        raise ConfigError(
            f"{config.source}: Global.minutes: needs the schedule Trapezoid, and one rank; received {what}; set "
            "Optimizer.lr.name to Trapezoid, or use Global.epochs"
        )
    if state.step == 0:
        schedule.decay = None
    return schedule


def _read(file: Path) -> float:
    """Return the seconds that earlier parts of the run took."""
    if not file.exists():
        return 0.0
    try:
        return float(json.loads(file.read_text(encoding="utf-8"))["seconds"])
    except (ValueError, LookupError, TypeError) as error:
        raise DataError(f"{file}: is damaged ({error}); remove it, and the time so far won't count") from error
