"""The learning-rate schedules that rise and fall, with PaddleClas's arguments."""

import math
from typing import Literal, Optional

from ppcls.optim.ranges import require
from ppcls.optim.schedule import Schedule, Span, WarmUp
from ppcls.optim.schedules import cosine


class Cyclic(Schedule):
    """Swing between two rates: `step_size_up` ticks up, `step_size_down` (unstated: as many) down.

    The swings keep their height (`triangular`), lose half of it each time (`triangular2`), or shrink by
    `exp_gamma` a tick (`exp_range`). Source: arXiv 1506.01186, section 3.
    """

    def __init__(
        self,
        span: Span,
        *,
        base_learning_rate: float,
        max_learning_rate: float,
        step_size_up: int,
        step_size_down: Optional[int] = None,
        mode: Literal["triangular", "triangular2", "exp_range"] = "triangular",
        exp_gamma: float = 1.0,
        warmup: WarmUp = WarmUp(),
    ) -> None:
        super().__init__(span, base_learning_rate, warmup)
        require("max_learning_rate", max_learning_rate, base_learning_rate)
        require("step_size_up", step_size_up, 1)
        self.up = step_size_up
        self.down = step_size_up if step_size_down is None else step_size_down
        require("step_size_down", self.down, 1)
        self.height = max_learning_rate - base_learning_rate
        self.mode = mode
        self.exp_gamma = exp_gamma

    def decayed(self, tick: float) -> float:
        cycle, position = divmod(tick, self.up + self.down)
        if position <= self.up:
            height = self.height * position / self.up
        else:
            height = self.height * (self.up + self.down - position) / self.down
        if self.mode == "triangular2":
            height /= 2.0**cycle
        elif self.mode == "exp_range":
            height *= self.exp_gamma**tick
        return self.learning_rate + height


class OneCycleLR(Schedule):
    """Rise from `max_learning_rate / divide_factor` for `phase_pct` of the time, then fall to the end rate.

    With `three_phase`, the rate first falls back to where it began, in the time of the rise. `epochs`: the
    length of the cycle; unstated, that of the training. A warm-up, which leads to `max_learning_rate`, comes
    before the cycle and does not shorten it. Source: arXiv 1708.07120, section 3.
    """

    def __init__(
        self,
        span: Span,
        *,
        max_learning_rate: float,
        epochs: Optional[int] = None,
        divide_factor: float = 25.0,
        end_learning_rate: float = 1e-10,
        phase_pct: float = 0.3,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        three_phase: bool = False,
        warmup: WarmUp = WarmUp(),
    ) -> None:
        super().__init__(span, max_learning_rate, warmup)
        epochs = span.epochs if epochs is None else epochs
        require("epochs", epochs, 1)
        require("divide_factor", divide_factor, 1.0)
        require("end_learning_rate", end_learning_rate, 0.0)
        require("phase_pct", phase_pct, 0.0, below=0.5 if three_phase else math.inf)
        if phase_pct > 1:
            raise ValueError(f"phase_pct: more than the whole; received {phase_pct}; give a part of 1")
        start, last = max_learning_rate / divide_factor, epochs * self.ticks_per_epoch - 1
        top = phase_pct * (last + 1) - 1
        # (first tick, last tick, rate at the first, rate at the last)
        self.phases = [(0.0, top, start, max_learning_rate)]
        if three_phase:
            self.phases.append((top, 2 * top, max_learning_rate, start))
            self.phases.append((2 * top, last, start, end_learning_rate))
        else:
            self.phases.append((top, last, max_learning_rate, end_learning_rate))
        self.anneal = cosine if anneal_strategy == "cos" else _straight

    def decayed(self, tick: float) -> float:
        for first, last, start, end in self.phases:
            if tick <= last and first < last:
                return self.anneal(start, end, (tick - first) / (last - first))
        return self.phases[-1][3]


def _straight(start: float, end: float, progress: float) -> float:
    return start + (end - start) * progress
