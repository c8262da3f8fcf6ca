"""Numbers that are not finite: found on the device before they reach the weights, told when somebody looks."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import paddle

from ppcls.engine import ranks
from ppcls.engine.precision import LossScaler
from ppcls.errors import TrainingError
from ppcls.optim.gradients import Gradients
from ppcls.paddle_private import moments_of, parts_of, rate_of, zero_if

# So many float16 updates in a row that overflow end a run: halved that often, no loss scale is of any use.
MAX_OVERFLOWS = 50


class Place(NamedTuple):
    """A batch of a run: epoch and batch count from 1, `step` counts the updates before it, `lr` is that of its own."""

    epoch: int
    batch: int
    step: int
    lr: float

    def __str__(self) -> str:
        return f"epoch {self.epoch}, batch {self.batch} (step {self.step})"


def diverged(where: object, what: str, lr: float) -> TrainingError:
    """Return the error that ends a run whose numbers are lost."""
    return TrainingError(
        f"{where}: {what} not finite at learning rate {lr:g}; lower Optimizer.lr.learning_rate, use a warm-up "
        "(Optimizer.lr.warmup_epoch) or Optimizer.clip_global_norm; no checkpoint was written since"
    )


class Guard:
    """Keeps the weights as they were from the first update on whose gradients are not finite, on all ranks.

    Gradients that are averaged over the ranks are not finite on all of them if they are not on one. That they are not
    stays in a flag on the device; nobody waits for it but who looks. Only with `free_reads`, on a CPU, each check does.
    """

    def __init__(self, optimizer: Any, gradients: Gradients, *, free_reads: bool) -> None:
        self.optimizer, self.gradients, self.free_reads = optimizer, gradients, free_reads
        self.bad = paddle.zeros([1], "bool")
        self.noted: list[tuple[Place, Mapping[str, paddle.Tensor]]] = []

    def note(self, place: Place, terms: Mapping[str, paddle.Tensor]) -> None:
        """Remember the terms of a batch until the next look."""
        self.noted.append((place, {name: term.detach() for name, term in terms.items()}))

    @paddle.no_grad()
    def check(self, norm: paddle.Tensor) -> None:
        """Before an update with gradients of this norm: let it change nothing if they, or earlier ones, are not finite.

        With gradients, velocities and rate 0 no optimizer moves a weight, whatever its rule.
        """
        paddle.assign(self.bad | ~paddle.isfinite(norm), self.bad)
        tensors = [*self.gradients.tensors(), *moments_of(self.optimizer)]
        for dtype in {tensor.dtype for tensor in tensors}:
            zero_if(self.bad, [tensor for tensor in tensors if tensor.dtype == dtype])
        for rate in map(rate_of, parts_of(self.optimizer)):
            rate.multiply_((~self.bad).astype(rate.dtype).reshape(rate.shape))
        if self.free_reads:
            self.look()

    def look(self) -> None:
        """Raise TrainingError if an update was not finite; waits for the device. Every rank must call it."""
        if bool(self.bad):
            raise self._error()
        self.noted.clear()

    def _error(self) -> TrainingError:
        """Return what was the first not to be finite, on whichever rank: a term, or else only the gradient."""
        found = [
            (index, number)
            for index, (_, terms) in enumerate(self.noted)
            for number, term in enumerate(terms.values())
            if not math.isfinite(float(term))
        ]
        firsts = ranks.rows_of_ranks(found[0] if found else [math.inf, 0.0])
        rank = int(firsts[:, 0].argmin())
        index, number = firsts[rank]
        if math.isinf(index):
            place = self.noted[-1][0]
            return diverged(place, "the gradient is", place.lr)
        place, terms = self.noted[int(index)]
        name = list(terms)[int(number)]
        what = "the loss" if len(terms) == 1 else f"the loss term {name}"
        return diverged(place, f"{what}{f' of rank {rank}' if rank else ''} is", place.lr)


class ScaledGuard(Guard):
    """Of float16: the scaler itself skips updates that overflow. Ends a run that does nothing else any more."""

    def __init__(self, optimizer: Any, gradients: Gradients, scaler: LossScaler) -> None:
        super().__init__(optimizer, gradients, free_reads=True)
        self.scaler = scaler

    def check(self, norm: paddle.Tensor) -> None:
        self.look()

    def look(self) -> None:
        """Raise TrainingError after too many updates in a row that overflowed."""
        if self.scaler.num_in_a_row >= MAX_OVERFLOWS:
            place, terms = self.noted[-1]
            losses = ", ".join(f"{name} {float(term):g}" for name, term in terms.items())
            raise TrainingError(
                f"{place}: the last {MAX_OVERFLOWS} updates overflowed in float16 and were skipped, at loss scale "
                f"{self.scaler.state_dict()['scale'].item():g}, learning rate {place.lr:g}, {losses}; set "
                "AMP.use_dynamic_loss_scaling: True, lower AMP.scale_loss or Optimizer.lr.learning_rate, or use "
                "AMP.dtype: bfloat16"
            )
        del self.noted[:-1]
