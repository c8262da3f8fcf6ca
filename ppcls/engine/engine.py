"""The training loop and the evaluation."""

import itertools
import logging
import math
from collections.abc import Iterable, Iterator
from typing import Optional

import numpy as np
import paddle

from ppcls.config import dump_config
from ppcls.config.schema import RunConfig
from ppcls.data.loader import Loader
from ppcls.engine import build
from ppcls.engine.averages import Averages
from ppcls.engine.parts import Parts, refuse_other_classes
from ppcls.engine.progress import Progress, diverged, text_of
from ppcls.errors import TrainingError
from ppcls.files import write_text
from ppcls.run import dist, log
from ppcls.run.seed import seed_epoch

logger = logging.getLogger("ppcls")


class Engine(Parts):
    """Trains and evaluates what a config describes."""

    def __init__(self, config: RunConfig) -> None:
        super().__init__(config)
        self.scalars: log.Scalars = log.ScalarsOf()
        self.resume_from = config.Global.checkpoints  # the newest checkpoint of this run

    def train(self) -> Optional[float]:
        """Train to `Global.epochs`, from wherever the state stands; return the best metric, if there is one."""
        self.start_training()
        try:
            while self.state.epoch < self.last_epoch:
                self.train_epoch()
                improved = self.evaluate_if_due()
                self.save(best=improved)
        finally:
            self.profile.close()
            self.scalars.close()
            self.watchdog.stop()
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
            self.watchdog.moved()
            progress.update(len(images_NCHW), loss, sums, state.optimizer.get_lr(), state.step)
        progress.finish()
        report_skipped(self.train_loader)
        state.share_statistics()
        state.epoch, state.batches_done = state.epoch + 1, 0

    def accumulate(self, loss: paddle.Tensor) -> None:
        """Add the gradients of one batch; update at the end of each group of `update_freq` batches.

        The last group of an epoch, and its last batch, may be smaller; a group's gradients are those of the
        mean loss of its samples.
        """
        state, freq = self.state, self.config.Global.update_freq
        start = state.batches_done - state.batches_done % freq
        sizes = [
            self.train_loader.batch_size(batch) for batch in range(start, min(start + freq, self.batches_per_epoch))
        ]
        share = sizes[state.batches_done - start] / sum(sizes)
        state.scaler.scale(loss * share).backward()
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
        # Not at an early stop: a run that goes on from there must not differ from one that never stopped.
        its_turn = state.epoch % settings.eval_interval == 0 or state.epoch == settings.epochs
        if not (settings.eval_during_train and its_turn and state.epoch >= settings.start_eval_epoch):
            return False
        with state.ema.swapped():
            state.results = self.evaluate(f"[Eval][Epoch {state.epoch}]")
        if not math.isfinite(state.results["loss"]):
            raise self.diverged("the loss of the evaluation is")
        self.scalars.add("eval", state.step, {"epoch": state.epoch, **state.results})
        name, sign = (self.eval_metric.names[0], 1) if self.eval_metric.names else ("loss", -1)
        metric = state.results[name]
        state.schedule.observe(metric)
        improved = state.best_metric is None or sign * metric > sign * state.best_metric
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
            self.watchdog.moved()
        report_skipped(self.eval_loader)
        results = averages.read_all_ranks()
        logger.info(f"{label}[Avg]{text_of(results)}")
        return results

    def evaluate_weights(self) -> dict[str, float]:
        """Evaluate the weights that the config names, and log to `eval.log`."""
        for part in ("eval_loader", "eval_loss", "eval_metric"):
            getattr(self, part)
        refuse_other_classes(build.label_names(self.config), self.eval_loader.dataset.label_names, "the weights")
        build.load_start_weights(self.config, self.model, new_head=False)
        self.log_to("eval.log")
        self.choose_operators(passes=len(self.eval_loader.dataset))
        self.precision.prepare(self.model, None)
        return self.evaluate()

    def log_to(self, name: str) -> None:
        """Also log to a file in the run's folder; only the first rank does."""
        if dist.rank() == 0:
            self.checkpoints.make_folder()
            log.start_file(self.folder / name)

    def save(self, *, best: bool) -> None:
        """Write the checkpoints of the epoch that has just ended; only the first rank does."""
        if dist.rank() == 0:
            about = {"label_names": list(self.train_loader.dataset.label_names), "class_num": self.config.class_num}
            saved = self.state.checkpoint(**about)
            if not all(np.isfinite(values).all() for values in saved.weights.values()):
                raise self.diverged("the weights are")
            self.checkpoints.save(saved, epoch=self.state.epoch, best=best)
        dist.wait_for_all()
        self.resume_from = str(self.folder / "latest")

    def diverged(self, what: str) -> TrainingError:
        """Return the error of an epoch that ended with numbers that are lost."""
        state = self.state
        return diverged(f"epoch {state.epoch} (step {state.step})", what, state.optimizer.get_lr())

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
            last_epoch=self.last_epoch,
            first_batch=self.state.batches_done,
            num_batches=self.batches_per_epoch,
            every=self.config.Global.print_batch_step,
            print_memory=self.config.Global.print_mem_info,
        )

    def start_training(self) -> None:
        """Prepare, and then write the folder, the config and the log."""
        self.prepare()
        settings, config = self.config.Global, self.config
        self.profile.start()
        if dist.rank() == 0:
            self.checkpoints.make_room(self.state.checkpoint())
            write_text(self.folder / "config.yaml", dump_config(config))
            log.start_file(self.folder / "train.log")
            self.scalars = log.scalars(self.folder, from_step=self.state.step, use_visualdl=settings.use_visualdl)
        train, state = self.train_loader.dataset, self.state
        logger.info(
            f"{config.Arch.name}, {config.class_num} classes, on {self.device}, {self.precision}; "
            f"{len(train)} pictures, {self.batches_per_epoch} batches an epoch, seed {settings.seed}"
        )
        if settings.checkpoints:
            logger.info(f"go on from '{settings.checkpoints}': epoch {state.epoch}, step {state.step}")
        if state.epoch >= self.last_epoch:
            logger.warning(f"nothing to train: {state.epoch} of {self.last_epoch} epochs are done; raise Global.epochs")


def report_skipped(loader: Loader) -> None:
    """Say which corrupt pictures an epoch left out, where the data set allows that (`skip_corrupt`)."""
    if loader.skipped:
        logger.warning(f"{len(loader.skipped)} corrupt picture(s) left out, the first: {loader.skipped[0]}")


def tensors(batches: Iterable[tuple[np.ndarray, np.ndarray]]) -> Iterator[tuple[paddle.Tensor, paddle.Tensor]]:
    """Yield the loader's batches as tensors on the device."""
    for images_NCHW, labels in batches:
        yield paddle.to_tensor(images_NCHW), paddle.to_tensor(labels)
