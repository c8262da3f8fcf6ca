"""The run: a config's parts put together, and the training loop."""

import functools
import itertools
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Optional, Union

import numpy as np
import paddle
from paddle import nn

from ppcls import device
from ppcls.config import dump_config
from ppcls.config.schema import RunConfig
from ppcls.data.loader import Loader
from ppcls.engine import build
from ppcls.engine.averages import Averages
from ppcls.engine.progress import Progress, text_of
from ppcls.engine.state import TrainState
from ppcls.loss import CombinedLoss
from ppcls.metric import CombinedMetric
from ppcls.run import checkpoint, dist, log
from ppcls.run.amp import Precision
from ppcls.run.ema import Ema, NoEma
from ppcls.run.profile import NoProfile, Profile
from ppcls.run.seed import seed_epoch, seed_weights

logger = logging.getLogger("ppcls")


class Engine:
    """Trains and evaluates what a config describes.

    A part is built when it is first used, so that each command builds, and checks, just what it needs.
    """

    def __init__(self, config: RunConfig) -> None:
        self.config = config
        self.device = device.select(config.Global.device)
        dist.start()
        seed_weights(config.Global.seed)
        self.precision = Precision(config.AMP, self.device)
        self.folder = Path(config.Global.output_dir) / config.Arch.name
        self.scalars: log.Scalars = log.ScalarsOf()

    def train(self) -> Optional[float]:
        """Train to `Global.epochs`, from wherever the state stands; return the best metric, if there is one."""
        self.start_training()
        while self.state.epoch < self.last_epoch:
            self.train_epoch()
            improved = self.evaluate_if_due()
            self.save(best=improved)
        self.scalars.close()
        return self.state.best_metric

    def train_epoch(self) -> None:
        """Train on what is left of the running epoch."""
        state = self.state
        progress = self.start_progress()
        for images_NCHW, labels in self.train_batches():
            with dist.sharing_gradients(self.parallel_model, self.ends_group), self.precision.autocast():
                logits = self.parallel_model(images_NCHW)
                loss = self.train_loss(logits, labels)
            self.accumulate(loss)
            sums = self.train_metric(logits, labels)
            self.profile.step()
            progress.update(len(images_NCHW), loss, sums, state.optimizer.get_lr(), state.step)
        progress.finish()
        report_skipped(self.train_loader)
        state.epoch, state.batches_done = state.epoch + 1, 0

    def accumulate(self, loss: paddle.Tensor) -> None:
        """Add the gradients of one batch; update at the end of each group of `update_freq` batches.

        The last group of an epoch may be smaller; each group's gradients are averaged.
        """
        state, size = self.state, self.config.Global.update_freq
        group_start = state.batches_done - state.batches_done % size
        state.scaler.scale(loss / min(size, self.batches_per_epoch - group_start)).backward()
        if self.ends_group:
            self.update()
        state.batches_done += 1

    @property
    def ends_group(self) -> bool:
        """Whether the batch at hand is the last one of a group whose gradients are added up."""
        done = self.state.batches_done + 1
        return done % self.config.Global.update_freq == 0 or done == self.batches_per_epoch

    def update(self) -> None:
        """Apply the gradients. The order of these lines is the contract of every schedule and average."""
        state = self.state
        state.optimizer.set_lr(state.schedule.lr(state.step))  # the rate of this update, not of the one before
        state.scaler.step(state.optimizer)  # unscales, clips, and skips an update that overflowed
        state.scaler.update()
        state.optimizer.clear_grad(set_to_zero=False)
        state.ema.update()  # after the weights have moved
        state.step += 1

    def evaluate_if_due(self) -> bool:
        """Evaluate if it is this epoch's turn; return whether the model is the best so far."""
        state, settings = self.state, self.config.Global
        its_turn = state.epoch % settings.eval_interval == 0 or state.epoch == self.last_epoch
        if not (settings.eval_during_train and its_turn and state.epoch >= settings.start_eval_epoch):
            return False
        with state.ema.swapped():
            state.results = self.evaluate(f"[Eval][Epoch {state.epoch}]")
        self.scalars.add("eval", state.step, {"epoch": state.epoch, **state.results})
        metric = next((value for name, value in state.results.items() if name != "loss"), -state.results["loss"])
        state.schedule.observe(metric)
        improved = state.best_metric is None or metric > state.best_metric
        state.best_metric = metric if improved else state.best_metric
        logger.info(f"[Eval][Epoch {state.epoch}][best metric: {state.best_metric:.5f}]")
        return improved

    def evaluate(self, label: str = "[Eval]") -> dict[str, float]:
        """Return loss and metrics over the whole evaluation set, every sample once, the same on all ranks."""
        self.model.eval()
        averages = Averages(self.eval_metric.names)
        for images_NCHW, labels in tensors(self.eval_loader.epoch(0)):
            with paddle.no_grad(), self.precision.autocast(training=False):
                logits = self.model(images_NCHW)
                averages.add(len(images_NCHW), self.eval_loss(logits, labels), self.eval_metric(logits, labels))
        report_skipped(self.eval_loader)
        results = averages.read_all_ranks()
        logger.info(f"{label}[Avg]{text_of(results)}")
        return results

    def evaluate_weights(self) -> dict[str, float]:
        """Evaluate the weights that the config names, and log to `eval.log`."""
        for part in ("eval_loader", "eval_loss", "eval_metric"):
            getattr(self, part)
        build.load_start_weights(self.config, self.model, new_head=False)
        if dist.rank() == 0:
            self.checkpoints.make_folder()
            log.start_file(self.folder / "eval.log")
        self.precision.prepare(self.model, None)
        return self.evaluate()

    def save(self, *, best: bool) -> None:
        """Write the checkpoints of the epoch that has just ended; only the first rank does."""
        if dist.rank() == 0:
            about = {"label_names": self.train_loader.dataset.label_names, "class_num": self.config.class_num}
            self.checkpoints.save(self.state.checkpoint(**about), epoch=self.state.epoch, best=best)
        dist.wait_for_all()

    # Parts, and what follows from them.

    @functools.cached_property
    def model(self) -> nn.Layer:
        return build.model(self.config)

    @functools.cached_property
    def parallel_model(self) -> nn.Layer:
        """The model as it is trained: as a static graph if `to_static`, with gradients shared among the ranks."""
        model = paddle.jit.to_static(self.model) if self.config.Global.to_static else self.model
        return dist.parallel(model)

    @functools.cached_property
    def train_loader(self) -> Loader:
        return build.loader(self.config, self.config.require("DataLoader.Train", "train"), training=True)

    @functools.cached_property
    def eval_loader(self) -> Loader:
        return build.loader(self.config, self.config.require("DataLoader.Eval", "eval"), training=False)

    @functools.cached_property
    def train_loss(self) -> CombinedLoss:
        labels = self.train_loader.dataset.labels
        return build.loss(self.config.require("Loss.Train", "train"), labels, self.config.class_num)

    @functools.cached_property
    def eval_loss(self) -> CombinedLoss:
        parts = self.config.Loss.Eval or self.config.require("Loss.Train", "eval without Loss.Eval")
        return build.loss(parts, self.eval_loader.dataset.labels, self.config.class_num)

    @functools.cached_property
    def train_metric(self) -> CombinedMetric:
        return build.metric(self.config.Metric.Train, self.config.class_num)

    @functools.cached_property
    def eval_metric(self) -> CombinedMetric:
        return build.metric(self.config.Metric.Eval, self.config.class_num)

    @functools.cached_property
    def checkpoints(self) -> checkpoint.Checkpoints:
        settings = self.config.Global
        return checkpoint.Checkpoints(self.folder, keep=settings.keep, save_interval=settings.save_interval)

    @functools.cached_property
    def state(self) -> TrainState:
        """The training state: new, or, with `Global.checkpoints`, where that run stood."""
        config = self.config
        schedule = build.schedule(config, -(-self.batches_per_epoch // config.Global.update_freq))
        optimizer = build.optimizer(config, self.model, schedule.lr(0))
        build.load_start_weights(config, self.model, new_head=True)
        self.precision.prepare(self.model, optimizer)
        ema = Ema(self.model, config.EMA.decay) if config.EMA else NoEma()
        state = TrainState(self.model, optimizer, schedule, self.precision.scaler, ema)
        if config.Global.checkpoints:
            state.restore(checkpoint.read(Path(config.Global.checkpoints)))
        return state

    @functools.cached_property
    def profile(self) -> Union[Profile, NoProfile]:
        settings = self.config.Global
        return Profile(settings.profiler_path) if settings.profiler and dist.rank() == 0 else NoProfile()

    @functools.cached_property
    def batches_per_epoch(self) -> int:
        """Training batches an epoch on this rank, within the limits `iter_per_epoch` and `prof`."""
        settings = self.config.Global
        limits = [len(self.train_loader), settings.iter_per_epoch, settings.prof * settings.update_freq]
        return min(limit for limit in limits if limit and limit > 0)

    @property
    def last_epoch(self) -> int:
        settings = self.config.Global
        return min(settings.epochs, settings.early_stop) if settings.early_stop > 0 else settings.epochs

    def train_batches(self) -> Iterator[tuple[paddle.Tensor, paddle.Tensor]]:
        """Yield what is left of the running epoch as tensors on the device."""
        state = self.state
        seed_epoch(self.config.Global.seed, state.epoch, dist.rank())
        self.model.train()
        batches = self.train_loader.epoch(state.epoch, skip=state.batches_done)
        yield from tensors(itertools.islice(batches, self.batches_per_epoch - state.batches_done))

    def start_progress(self) -> Progress:
        """Return the progress of the running epoch."""
        return Progress(
            self.scalars,
            self.train_metric.names,
            epoch=self.state.epoch + 1,
            epochs=self.config.Global.epochs,
            first_batch=self.state.batches_done,
            num_batches=self.batches_per_epoch,
            every=self.config.Global.print_batch_step,
        )

    def start_training(self) -> None:
        """Build and check all that training needs, and only then write: the folder, the config, the log."""
        settings, config = self.config.Global, self.config
        needed = ["state", "profile", "parallel_model", "train_loss", "train_metric"]
        needed += ["eval_loader", "eval_loss", "eval_metric"] if settings.eval_during_train else []
        for part in needed:
            getattr(self, part)
        if dist.rank() == 0:
            self.checkpoints.make_room(self.state.checkpoint())
            (self.folder / "config.yaml").write_text(dump_config(config), encoding="utf-8")
            log.start_file(self.folder / "train.log")
            self.scalars = log.scalars(self.folder, resumed=self.state.step > 0, use_visualdl=settings.use_visualdl)
        train, state = self.train_loader.dataset, self.state
        logger.info(
            f"{config.Arch.name}, {config.class_num} classes, on {self.device}, {self.precision}; "
            f"{len(train)} pictures, {self.batches_per_epoch} batches an epoch, seed {settings.seed}"
        )
        if settings.checkpoints:
            logger.info(f"go on from '{settings.checkpoints}': epoch {state.epoch}, step {state.step}")


def report_skipped(loader: Loader) -> None:
    """Say which corrupt pictures an epoch left out, where the data set allows that (`skip_corrupt`)."""
    if loader.skipped:
        logger.warning(f"{len(loader.skipped)} corrupt picture(s) left out, the first: {loader.skipped[0]}")


def tensors(batches: Iterable[tuple[np.ndarray, np.ndarray]]) -> Iterator[tuple[paddle.Tensor, paddle.Tensor]]:
    """Yield the loader's batches as tensors on the device."""
    for images_NCHW, labels in batches:
        yield paddle.to_tensor(images_NCHW), paddle.to_tensor(labels)
