"""Which learning rate to take: the loss while the rate rises from update to update."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from ppcls.batch import Batch
from ppcls.engine.engine import Engine
from ppcls.errors import TrainingError
from ppcls.losses.base import total_of
from ppcls.optim.schedule import Schedule, Span

# The loss is averaged over the updates before, each counting this much of the next one.
SMOOTHING = 0.9
# Where it is so many times the least one the rise ends: all that follows is worse.
TOO_HIGH = 4.0


class Rising(Schedule):
    """Rise by the same factor at each update, from `first` to `last`."""

    def __init__(self, first: float, last: float, num_steps: int) -> None:
        super().__init__(Span(1, num_steps), first)
        self.factor = (last / first) ** (1 / max(num_steps - 1, 1))

    def decayed(self, tick: float) -> float:
        return float(self.learning_rate * self.factor**tick)


@dataclass(frozen=True)
class Found:
    """The rates that were tried, the smoothed losses at them, and the rate to take."""

    rates: list[float]
    losses: list[float]

    @property
    def suggested(self) -> float:
        """A tenth of the rate of the least loss. Source: arXiv 1506.01186 and the practice of fastai."""
        return self.rates[self.losses.index(min(self.losses))] / 10


def find(engine: Engine, first: float, last: float, num_steps: int) -> Found:
    """Train while the rate rises from `first` to `last`; nothing is written, and the weights are of no use afterwards.

    Raises: TrainingError if not even the first updates have a finite loss.
    """
    engine.prepare()
    state = engine.state
    state.schedule = Rising(first, last, num_steps)
    found, mean = Found([], []), 0.0
    for batch in _batches(engine, num_steps):
        with engine.precision.autocast():
            outputs = engine.task.forward(engine.parallel_model, batch)
        terms = engine.task.losses(outputs, batch)
        loss, step = float(total_of(terms)), state.step
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        smoothed = mean / (1 - SMOOTHING ** (len(found.rates) + 1))
        if not math.isfinite(smoothed) or (found.losses and smoothed > TOO_HIGH * min(found.losses)):
            break
        engine.updates.accumulate(batch, terms)
        if state.step > step:
            found.rates.append(state.schedule.lr(step))
            found.losses.append(smoothed)
    if not found.rates:
        raise TrainingError(f"lr: the loss of the first update is not finite; received --first {first}; lower it")
    return found


def _batches(engine: Engine, num_steps: int) -> Iterator[Batch]:
    """Yield batches, of as many epochs as it takes for so many updates."""
    state = engine.state
    while state.step < num_steps:
        for batch in engine.train_batches():
            yield batch
            if state.step >= num_steps:
                return
        state.end_epoch()


def curve(found: Found, *, width_px: int = 640, height_px: int = 320) -> str:
    """Return the losses over the logarithm of the rates as an SVG file, the suggested rate marked."""
    logs = [math.log10(rate) for rate in found.rates]
    low, high = min(found.losses), max(found.losses)
    across, up = max(logs[-1] - logs[0], 1e-9), max(high - low, 1e-9)

    def place(log: float, loss: float) -> str:
        x = 40 + (log - logs[0]) / across * (width_px - 60)
        return f"{x:.1f},{20 + (high - loss) / up * (height_px - 60):.1f}"

    points = " ".join(place(log, loss) for log, loss in zip(logs, found.losses))
    x = place(math.log10(found.suggested), low).partition(",")[0]
    text = f"learning rate {found.rates[0]:.1e} to {found.rates[-1]:.1e}, loss {low:.3f} to {high:.3f}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width_px} {height_px}" font-family="sans-serif">'
        f'<rect width="100%" height="100%" fill="white"/><polyline points="{points}" fill="none" stroke="#1f6feb"/>'
        f'<line x1="{x}" x2="{x}" y1="20" y2="{height_px - 40}" stroke="#888" stroke-dasharray="4"/>'
        f'<text x="40" y="{height_px - 12}" font-size="13">{text}; dashed: {found.suggested:.1e}</text></svg>\n'
    )
