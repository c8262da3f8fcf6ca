"""The lines that tell how an epoch goes."""

import datetime
import logging
import time
from collections.abc import Mapping, Sequence

import paddle

from ppcls import device
from ppcls.engine.averages import Averages
from ppcls.errors import TrainingError
from ppcls.run.log import Scalars

logger = logging.getLogger("ppcls")


def text_of(values: Mapping[str, float]) -> str:
    """Return `loss: 6.90123, top1: 0.01250`."""
    return ", ".join(f"{name}: {value:.5f}" for name, value in values.items())


def diverged(where: str, what: str, lr: float) -> TrainingError:
    """Return the error that ends a run whose numbers are lost."""
    return TrainingError(
        f"{where}: {what} not finite at learning rate {lr:g}; lower Optimizer.lr.learning_rate, use a warm-up "
        "(Optimizer.lr.warmup_epoch) or Optimizer.clip_norm; no checkpoint was written since"
    )


class Progress:
    """One epoch's averages, speed and time to go; reads from the device only when it prints."""

    def __init__(
        self,
        scalars: Scalars,
        metric_names: Sequence[str],
        *,
        epoch: int,
        epochs: int,
        last_epoch: int,
        first_batch: int,
        num_batches: int,
        every: int,
        print_memory: bool,
    ) -> None:
        self.scalars = scalars
        self.epoch, self.epochs, self.last_epoch = epoch, epochs, last_epoch
        self.print_memory = print_memory
        self.batch, self.first_batch, self.num_batches = first_batch, first_batch, num_batches
        self.every = every
        self.averages = Averages(metric_names)
        self.places: list[tuple[int, float]] = []  # of each batch: optimizer step and learning rate
        self.started = self.last_time = time.perf_counter()
        self.last_samples = 0

    def update(
        self, num_samples: int, loss: paddle.Tensor, sums: Mapping[str, paddle.Tensor], lr: float, step: int
    ) -> None:
        """Count a batch; every `every` batches, after the first and after the last one print a line."""
        self.batch += 1
        self.places.append((step, lr))
        self.averages.add(num_samples, loss, sums)
        is_first = self.batch == self.first_batch + 1
        if is_first or self.batch % self.every == 0 or self.batch == self.num_batches:
            self._print(lr, step)

    def _print(self, lr: float, step: int) -> None:
        values = self.averages.read()
        self._check_finite()
        now = time.perf_counter()
        images = self.averages.num_samples - self.last_samples
        ips = images / max(now - self.last_time, 1e-9)
        per_batch = (now - self.started) / (self.batch - self.first_batch)
        batches_left = (self.last_epoch - self.epoch) * self.num_batches + self.num_batches - self.batch
        eta = datetime.timedelta(seconds=int(per_batch * batches_left))
        logger.info(
            f"[Train][Epoch {self.epoch}/{self.epochs}][Iter: {self.batch}/{self.num_batches}]"
            f"{text_of(values)}, lr: {lr:.8f}, ips: {ips:.1f} images/s, eta: {eta}"
        )
        self.scalars.add("train", step, {"epoch": self.epoch, **values, "lr": lr, "ips": round(ips, 2)})
        self.last_time, self.last_samples = now, self.averages.num_samples

    def _check_finite(self) -> None:
        bad = self.averages.first_nonfinite
        if bad is not None:
            step, lr = self.places[bad]
            where = f"epoch {self.epoch}, batch {self.first_batch + bad + 1} (step {step})"
            raise diverged(where, "the loss is", lr)

    def finish(self) -> None:
        """Print the averages of the whole epoch."""
        values = self.averages.read_all_ranks()
        seconds = time.perf_counter() - self.started
        ips = self.averages.num_samples / max(seconds, 1e-9)
        peak_mib = device.peak_memory_mib() if self.print_memory else 0.0
        memory = f", peak memory: {peak_mib:.0f} MiB" if peak_mib else ""
        logger.info(f"[Train][Epoch {self.epoch}/{self.epochs}][Avg]{text_of(values)}, ips: {ips:.1f} images/s{memory}")
