"""The one schedule that depends on how the training goes, and so has a state."""

from typing import Any, Literal, Optional

from ppcls.errors import CheckpointError
from ppcls.optim.ranges import require
from ppcls.optim.schedule import Schedule, Span, WarmUp

STATE = ("reduced_lr", "best", "num_bad", "num_to_skip")


class ReduceOnPlateau(Schedule):
    """Multiply the rate by `factor` after more than `patience` evaluations in a row without an improvement.

    What is observed is the evaluation's main metric, as in PaddleClas: an accuracy needs `mode: max`.
    An improvement is one by more than `threshold`, as a share of the best value (`rel`) or by itself (`abs`).
    After a reduction, `cooldown` evaluations are not counted. Reductions below `epsilon` are not made.
    """

    def __init__(
        self,
        span: Span,
        *,
        learning_rate: float,
        mode: Literal["min", "max"] = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: Literal["rel", "abs"] = "rel",
        cooldown: int = 0,
        min_lr: float = 0.0,
        epsilon: float = 1e-8,
        warmup: WarmUp = WarmUp(),
    ) -> None:
        super().__init__(span, learning_rate, warmup)
        require("factor", factor, 0.0, below=1.0)
        require("patience", patience, 0)
        require("cooldown", cooldown, 0)
        self.sign = 1.0 if mode == "max" else -1.0
        self.factor = factor
        self.patience = patience
        self.threshold = threshold
        self.relative = threshold_mode == "rel"
        self.cooldown = cooldown
        self.min_lr = min_lr
        self.epsilon = epsilon
        self.reduced_lr = learning_rate
        self.best: Optional[float] = None
        self.num_bad = 0
        self.num_to_skip = 0

    def decayed(self, tick: float) -> float:
        return self.reduced_lr

    def observe(self, value: float) -> None:
        if self.num_to_skip > 0:
            self.num_to_skip -= 1
            return
        if self._improved(value):
            self.best = value
            self.num_bad = 0
            return
        self.num_bad += 1
        if self.num_bad > self.patience:
            self.num_to_skip = self.cooldown
            self.num_bad = 0
            lower = max(self.reduced_lr * self.factor, self.min_lr)
            if self.reduced_lr - lower > self.epsilon:
                self.reduced_lr = lower

    def _improved(self, value: float) -> bool:
        if self.best is None:
            return True
        margin = self.threshold * (self.best if self.relative else 1.0)
        return self.sign * (value - self.best) > margin

    def state_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in STATE}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if state.keys() != set(STATE):
            raise CheckpointError(
                f"checkpoint: the state of ReduceOnPlateau has {list(STATE)}; received {list(state)}; "
                "resume with the schedule that the run began with"
            )
        for name in STATE:
            setattr(self, name, state[name])
