"""What all learning-rate schedules are: the rate as a function of the optimizer step."""

import math
from dataclasses import dataclass
from typing import Any

from ppcls.errors import CheckpointError
from ppcls.optim.ranges import require
from ppcls.registry import Shared


@dataclass(frozen=True)
class Span:
    """The length of a run; `steps_per_epoch` counts optimizer steps."""

    epochs: int
    steps_per_epoch: int


@dataclass(frozen=True)
class WarmUp(Shared):
    """How a schedule begins, and how often the rate changes.

    `warmup_epoch` epochs (fractions allowed) of linear rise from `warmup_start_lr`, after which the schedule proper
    starts at its beginning; `by_epoch`: the rate changes once per epoch instead of at every step. `last_epoch`: the
    number of the last change that was before this run, counted from 0.
    """

    warmup_epoch: float = 0
    warmup_start_lr: float = 0.0
    by_epoch: bool = False
    last_epoch: int = -1

    def __post_init__(self) -> None:
        require("warmup_start_lr", self.warmup_start_lr, 0.0)
        require("warmup_epoch", self.warmup_epoch, 0.0)
        require("last_epoch", self.last_epoch, -1)


class Schedule:
    """The learning rate of each step: a warm-up to `learning_rate`, then what a subclass says.

    Time is counted in ticks: optimizer steps, or epochs where `by_epoch`.
    """

    def __init__(self, span: Span, learning_rate: float, warmup: WarmUp = WarmUp()) -> None:
        require("learning_rate", learning_rate, 0.0)
        if warmup.warmup_epoch > span.epochs:
            raise ValueError(
                f"warmup_epoch: longer than the training; received {warmup.warmup_epoch} of {span.epochs} epochs; "
                "shorten it or raise Global.epochs"
            )
        by_epoch = warmup.by_epoch
        self.learning_rate = learning_rate
        self.warmup_start_lr = warmup.warmup_start_lr
        self.first_tick = warmup.last_epoch + 1
        self.steps_per_tick = span.steps_per_epoch if by_epoch else 1
        self.ticks_per_epoch = 1 if by_epoch else span.steps_per_epoch
        self.warmup_ticks = warmup.warmup_epoch if by_epoch else round(warmup.warmup_epoch * span.steps_per_epoch)
        self.decay_ticks = span.epochs * self.ticks_per_epoch - self.warmup_ticks

    def lr(self, step: int) -> float:
        """Return the learning rate of update number `step`, counted from 0."""
        tick = self.first_tick + step // self.steps_per_tick
        if tick < self.warmup_ticks:
            rise = self.learning_rate - self.warmup_start_lr
            return self.warmup_start_lr + rise * tick / self.warmup_ticks
        return float(self.decayed(tick - self.warmup_ticks))  # a YAML may say `learning_rate: 1`

    def set_rate(self, optimizer: Any, step: int) -> None:
        """Give the optimizer the learning rate of update number `step`."""
        optimizer.set_lr(self.lr(step))

    def decayed(self, tick: float) -> float:
        """Return the learning rate `tick` ticks after the warm-up."""
        raise NotImplementedError

    @property
    def warmup_steps(self) -> int:
        """The number of updates before the warm-up is over."""
        return math.ceil(self.warmup_ticks) * self.steps_per_tick

    def observe(self, value: float) -> None:
        """Take note of the result of an evaluation; called once after each."""

    def state_dict(self) -> dict[str, Any]:
        """Return what `observe` left behind, as JSON-able values."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back a `state_dict`. Raises CheckpointError if it is that of another schedule."""
        if state:
            raise CheckpointError(
                f"checkpoint: {type(self).__name__} has no state; received {list(state)}; "
                "resume with the schedule that the run began with"
            )
