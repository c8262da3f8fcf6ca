"""The lines that tell how an epoch goes."""

import datetime
import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Callable, Optional, TypeVar

import paddle

from ppcls import device, environment
from ppcls.engine.bar import Bar
from ppcls.engine.clock import Clock
from ppcls.engine.ranks import rows_of_ranks
from ppcls.engine.scalars import Scalars
from ppcls.engine.tally import Tally

logger = logging.getLogger("ppcls")
Item = TypeVar("Item")


def text_of(values: Mapping[str, float]) -> str:
    """Return `loss: 6.90123, top1: 0.01250`."""
    return ", ".join(f"{name}: {value:.5f}" for name, value in values.items())


class Progress:
    """One epoch's numbers, speed and time to go; reads from the device only when it prints.

    All ranks print, or are silent, at the same batches. `look` ends a run whose numbers are lost; `num_skipped` counts
    the updates that overflowed.
    """

    def __init__(
        self,
        scalars: Scalars,
        tally: Tally,
        look: Callable[[], None],
        num_skipped: Callable[[], int],
        *,
        epoch: int,
        epochs: int,
        batches_left: int,
        first_batch: int,
        num_batches: int,
        every: int,
        print_memory: bool,
        clock: Clock,
    ) -> None:
        self.scalars = scalars
        self.epoch, self.epochs = epoch, epochs
        self.print_memory = print_memory
        self.clock = clock  # which may end the run before its last epoch
        self.batch, self.first_batch, self.num_batches = first_batch, first_batch, num_batches
        self.last = first_batch + batches_left  # of the run, counted from the start of this epoch
        self.every = every
        self.tally = tally
        self.look = look
        self.num_skipped = num_skipped
        self.started = self.last_time = time.perf_counter()
        self.first_samples = self.last_samples = tally.num_samples
        self.last_batch = first_batch
        self.waited = 0.0  # seconds, for data, since the last line
        self.bar = Bar(f"epoch {epoch}/{epochs}", num_batches)

    def timed(self, batches: Iterable[Item]) -> Iterator[Item]:
        """Yield the batches, and take the time in which none was there."""
        coming = iter(batches)
        while True:
            asked = time.perf_counter()
            batch = next(coming, None)
            self.waited += time.perf_counter() - asked
            if batch is None:
                return
            yield batch

    def update(self, lr: float, step: int, norm: Optional[paddle.Tensor]) -> None:
        """Count a batch, and print a line if it is its turn; `norm` is that of the last update's gradients."""
        self.batch += 1
        if self.printed:
            self.look()
            self.bar.clear()
            self._print(step, {"lr": lr, **({} if norm is None else {"grad_norm": float(norm)})})

        samples, seconds = self.tally.num_samples - self.first_samples, time.perf_counter() - self.started
        self.bar.update(self.batch, samples / max(seconds, 1e-9), self._seconds_left())

    @property
    def printed(self) -> bool:
        """Whether a line tells of the newest batch: of the first and the last of an epoch, and every `every`."""
        return self.batch in (1, self.num_batches) or self.batch % self.every == 0

    def _print(self, step: int, update: dict[str, float]) -> None:
        is_second = (self.epoch, self.first_batch, self.last_batch) == (1, 0, 1) and self.batch > 1
        values, speed = self.tally.read(), self._speed()
        self.bar.note = text_of(values)
        if count := self.num_skipped():
            update["skipped"] = count
        self.scalars.add("train", step, {"epoch": self.epoch, "batch": self.batch, **values, **update, **speed})
        norm = f", grad_norm: {update['grad_norm']:.4g}" if "grad_norm" in update else ""
        skipped = f", skipped updates: {update['skipped']}" if "skipped" in update else ""
        ranks = f" (each rank {speed['ips_min']:.1f} to {speed['ips_max']:.1f})" if "ips_min" in speed else ""
        memory = f", memory: {speed['memory_mib']:.0f} MiB" if "memory_mib" in speed else ""
        logger.info(
            f"[Train][Epoch {self.epoch}/{self.epochs}][Iter: {self.batch}/{self.num_batches}]"
            f"{text_of(values)}, lr: {update['lr']:.8f}{norm}{skipped}, "
            f"ips: {speed['ips']:.1f} images/s{ranks}, batch: {speed['batch_seconds']:.3f} s, "
            f"waiting for data: {speed['data_wait']:.0%}{memory}, "
            f"eta: {datetime.timedelta(seconds=speed['eta_seconds'])}"
        )
        if is_second and self.clock.seconds_left is None:
            self._forecast(speed["batch_seconds"])

    def _speed(self) -> dict[str, float]:
        """Return how fast it went since the last line; the same keys on all ranks."""
        now, images = time.perf_counter(), self.tally.num_samples
        seconds = max(now - self.last_time, 1e-9)
        rates = rows_of_ranks([(images - self.last_samples) / seconds])
        speed = {"ips": round(float(rates.sum()), 2)}
        if len(rates) > 1:
            speed.update(ips_min=round(float(rates.min()), 2), ips_max=round(float(rates.max()), 2))
        speed["batch_seconds"] = round(seconds / (self.batch - self.last_batch), 6)
        speed["data_wait"] = round(self.waited / seconds, 4)
        if self._memory_mib():
            speed["memory_mib"] = round(self._memory_mib(), 1)
        speed["eta_seconds"] = int(self._seconds_left())
        self.last_time, self.last_samples, self.last_batch, self.waited = now, images, self.batch, 0.0
        return speed

    def _seconds_left(self) -> float:
        """Return how long the rest of the run takes at the speed of this epoch, without its evaluations.

        Where a clock ends it, how long it may take.
        """
        if self.clock.seconds_left is not None:
            return self.clock.seconds_left
        per_batch = (time.perf_counter() - self.started) / (self.batch - self.first_batch)
        return per_batch * (self.last - self.batch)

    def _forecast(self, batch_seconds: float) -> None:
        """Say what a new run takes by its first batches, but for the very first one, which sets much up."""
        left = datetime.timedelta(seconds=round(batch_seconds * (self.last - self.batch)))
        memory_mib = device.peak_memory_mib() or environment.peak_memory_mib()
        memory = f"; peak memory so far {memory_mib:.0f} MiB" if memory_mib else ""
        logger.info(f"forecast: {left} of training, evaluations aside{memory}")

    def _memory_mib(self) -> float:
        return device.peak_memory_mib() if self.print_memory else 0.0

    def finish(self) -> None:
        """Print the averages of the whole epoch."""
        self.look()
        self.bar.clear()
        values = self.tally.read_all_ranks()
        seconds = time.perf_counter() - self.started
        samples = rows_of_ranks([self.tally.num_samples - self.first_samples]).sum()
        ips = samples / max(seconds, 1e-9)
        memory = f", peak memory: {self._memory_mib():.0f} MiB" if self._memory_mib() else ""
        logger.info(f"[Train][Epoch {self.epoch}/{self.epochs}][Avg]{text_of(values)}, ips: {ips:.1f} images/s{memory}")
