"""How long the phases of a prediction take."""

import contextlib
import time
from collections.abc import Iterator

import numpy as np
from prettytable import PrettyTable


class Times:
    """Seconds of each phase, batch by batch."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}

    def add(self, phase: str, seconds: float) -> None:
        self.seconds.setdefault(phase, []).append(seconds)

    @contextlib.contextmanager
    def measure(self, phase: str, before: float = 0.0) -> Iterator[None]:
        """Add what the `with` block takes, and the seconds `before` it that belong to the same phase."""
        started = time.perf_counter()
        yield
        self.add(phase, before + time.perf_counter() - started)

    def table(self, num_images: int, total_seconds: float) -> str:
        """Return percentiles of each phase, in milliseconds a batch, and the images/s of `total_seconds`."""
        table = PrettyTable(["phase", "p50 ms", "p90 ms", "p99 ms", "share"], align="r")
        total = sum(map(sum, self.seconds.values()))
        together = [sum(phases) for phases in zip(*self.seconds.values())]
        for phase, seconds in {**self.seconds, "all": together}.items():
            percentiles = (f"{1000 * value:.2f}" for value in np.percentile(seconds, [50, 90, 99]))
            table.add_row([phase, *percentiles, f"{sum(seconds) / total:.1%}"])
        return f"{table}\n{num_images} images, {num_images / total_seconds:.1f} images/s"


class _NoTimes(Times):
    """Measures nothing."""

    def add(self, phase: str, seconds: float) -> None:
        pass


no_times = _NoTimes()
