"""The learning-rate schedules that stay or fall, with PaddleClas's arguments.

All but Constant and CosineFixmatch take the arguments of `WarmUp`.
"""

import math
from collections.abc import Sequence
from typing import Any, Optional

from ppcls.errors import CheckpointError
from ppcls.optim.ranges import require
from ppcls.optim.schedule import Schedule, Span, WarmUp


class ConstLR(Schedule):
    """The same rate throughout, after the warm-up."""

    def __init__(
        self,
        span: Span,
        *,
        learning_rate: float,
        warmup: WarmUp = WarmUp(),
    ) -> None:
        super().__init__(span, learning_rate, warmup)

    def decayed(self, tick: float) -> float:
        return self.learning_rate


class Constant(ConstLR):
    """The same rate throughout, without a warm-up."""

    def __init__(self, span: Span, *, learning_rate: float) -> None:
        super().__init__(span, learning_rate=learning_rate)


class Trapezoid(ConstLR):
    """Stay at `learning_rate`, then fall linearly to 0 from update `decay_from` to update `decay_to`.

    Unset, that is the last third of the run; with `Global.minutes` it is decided when it is time. Source: the linear
    cooldown of arXiv 2405.18392.
    """

    def __init__(
        self,
        span: Span,
        *,
        learning_rate: float,
        decay_from: Optional[int] = None,
        decay_to: Optional[int] = None,
        warmup: WarmUp = WarmUp(),
    ) -> None:
        super().__init__(span, learning_rate=learning_rate, warmup=warmup)
        last = span.epochs * span.steps_per_epoch if decay_to is None else decay_to
        first = last * 2 // 3 if decay_from is None else decay_from
        if not 0 <= first < last:
            raise ValueError(f"decay_from: must be before decay_to, {last}; received {first}; lower it")
        self.decay: Optional[tuple[int, int]] = (first, last)  # None: not decided yet

    def lr(self, step: int) -> float:
        begun = step // self.steps_per_tick * self.steps_per_tick
        first, last = self.decay or (begun, begun + 1)
        return super().lr(step) * max(0.0, min(1.0, (last - begun) / (last - first)))

    def state_dict(self) -> dict[str, Any]:
        return {"decay": self.decay and list(self.decay)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if list(state) != ["decay"]:
            raise CheckpointError(
                f"checkpoint: the state of Trapezoid has 'decay'; received {list(state)}; resume with the schedule "
                "that the run began with"
            )
        self.decay = state["decay"] and (int(state["decay"][0]), int(state["decay"][1]))


class Linear(Schedule):
    """Fall from `learning_rate` to `end_lr`, linearly or along another `power` of the time left."""

    def __init__(
        self,
        span: Span,
        *,
        learning_rate: float,
        end_lr: float = 0.0,
        power: float = 1.0,
        warmup: WarmUp = WarmUp(),
    ) -> None:
        super().__init__(span, learning_rate, warmup)
        require("end_lr", end_lr, 0.0)
        require("power", power, 0.0)
        self.end_lr = end_lr
        self.power = power

    def decayed(self, tick: float) -> float:
        if self.decay_ticks == 0:
            return self.learning_rate
        left = 1 - min(tick / self.decay_ticks, 1)
        return self.end_lr + (self.learning_rate - self.end_lr) * float(left**self.power)


class Cosine(Schedule):
    """Fall from `learning_rate` to `eta_min` along half a cosine. Source: SGDR, arXiv 1608.03983, eq. 5."""

    def __init__(
        self,
        span: Span,
        *,
        learning_rate: float,
        eta_min: float = 0.0,
        warmup: WarmUp = WarmUp(),
    ) -> None:
        super().__init__(span, learning_rate, warmup)
        require("eta_min", eta_min, 0.0)
        self.eta_min = eta_min

    def decayed(self, tick: float) -> float:
        if self.decay_ticks == 0:
            return self.learning_rate
        return cosine(self.learning_rate, self.eta_min, min(tick / self.decay_ticks, 1))


class CosineFixmatch(Schedule):
    """Fall along `num_cycles` half periods of a cosine, down to 0, after a rise of `num_warmup_steps` updates from 0.

    Source: FixMatch, arXiv 2001.07685, section 2.4.
    """

    def __init__(
        self, span: Span, *, learning_rate: float, num_warmup_steps: int = 0, num_cycles: float = 7 / 16
    ) -> None:
        super().__init__(span, learning_rate)
        require("num_warmup_steps", num_warmup_steps, 0)
        require("num_cycles", num_cycles, 0.0)
        self.warmup_ticks = num_warmup_steps
        self.decay_ticks = max(self.decay_ticks - num_warmup_steps, 1)
        self.num_cycles = num_cycles

    def decayed(self, tick: float) -> float:
        return self.learning_rate * max(math.cos(math.pi * self.num_cycles * tick / self.decay_ticks), 0.0)


class Step(Schedule):
    """Multiply the rate by `gamma` every `step_size` epochs."""

    def __init__(
        self,
        span: Span,
        *,
        learning_rate: float,
        step_size: float,
        gamma: float,
        warmup: WarmUp = WarmUp(),
    ) -> None:
        super().__init__(span, learning_rate, warmup)
        require("gamma", gamma, 0.0)
        self.step_ticks = round(step_size * self.ticks_per_epoch)
        if self.step_ticks < 1:
            unit = "epoch" if warmup.by_epoch else "step"
            raise ValueError(f"step_size: shorter than one {unit}; received {step_size}; give epochs")
        self.gamma = gamma

    def decayed(self, tick: float) -> float:
        return self.learning_rate * float(self.gamma ** (tick // self.step_ticks))


class Piecewise(Schedule):
    """The rate is `values[i]` until epoch `decay_epochs[i]`, and the last value after them all."""

    def __init__(
        self,
        span: Span,
        *,
        decay_epochs: Sequence[int],
        values: Sequence[float],
        warmup: WarmUp = WarmUp(),
    ) -> None:
        _require_increasing("decay_epochs", decay_epochs)
        if len(values) != len(decay_epochs) + 1:
            raise ValueError(
                f"values: needs one more entry than decay_epochs; received {len(values)} values and "
                f"{len(decay_epochs)} epochs; give a value for before the first, and one after each"
            )
        for value in values:
            require("values", value, 0.0)
        super().__init__(span, values[0], warmup)
        self.boundaries = [epoch * self.ticks_per_epoch for epoch in decay_epochs]
        self.values = values

    def decayed(self, tick: float) -> float:
        return self.values[sum(tick >= boundary for boundary in self.boundaries)]


class MultiStepDecay(Schedule):
    """Multiply the rate by `gamma` at each of the epochs `milestones`."""

    def __init__(
        self,
        span: Span,
        *,
        learning_rate: float,
        milestones: Sequence[int],
        gamma: float = 0.1,
        warmup: WarmUp = WarmUp(),
    ) -> None:
        super().__init__(span, learning_rate, warmup)
        _require_increasing("milestones", milestones)
        require("gamma", gamma, 0.0, below=1.0)
        self.milestones = [epoch * self.ticks_per_epoch for epoch in milestones]
        self.gamma = gamma

    def decayed(self, tick: float) -> float:
        num_passed = sum(tick >= milestone for milestone in self.milestones)
        return self.learning_rate * float(self.gamma**num_passed)


def cosine(start: float, end: float, progress: float) -> float:
    """Return the rate after a part of the way, 0 to 1, from `start` to `end` along half a cosine."""
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2


def _require_increasing(name: str, epochs: Sequence[int]) -> None:
    if any(later <= earlier for earlier, later in zip(epochs, epochs[1:])):
        raise ValueError(f"{name}: not in increasing order; received {list(epochs)}; sort it")
