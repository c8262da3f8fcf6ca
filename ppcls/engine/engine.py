"""The training loop and the evaluation."""

import contextlib
import dataclasses
import itertools
import logging
import math
from collections.abc import Iterable, Iterator
from typing import Optional

import numpy as np
import paddle

from ppcls.config import dump_config
from ppcls.config.schema import RunConfig
from ppcls.data.loader.loader import Loader
from ppcls.engine import build, log, ranks, run_folder, train_result
from ppcls.engine.averages import Averages
from ppcls.engine.class_names import refuse_other_classes
from ppcls.engine.parts import Parts
from ppcls.engine.progress import Progress, diverged, text_of
from ppcls.engine.saving import SavePoints
from ppcls.engine.seed import seed_batch
from ppcls.errors import TerminatedError, TrainingError
from ppcls.files import write_text

logger = logging.getLogger("ppcls")


class Engine(Parts):
    """Trains and evaluates what a config describes."""

    def __init__(self, config: RunConfig) -> None:
        super().__init__(config)
        self.claim = contextlib.ExitStack()  # of the run's folder, while it trains
        self.scalars: log.Scalars = log.ScalarsOf()
        self.save_points = SavePoints(config.Global.save_steps, config.Global.save_minutes)

    def train(self) -> Optional[float]:
        """Train to `Global.epochs`, from wherever the state stands; return the best metric, if there is one."""
        self.start_training()
        try:
            with self.watchdog, self.save_points:
                while self.state.epoch < self.last_epoch:
                    self.end_if_told()
                    if self.state.batches_done < self.batches_per_epoch:  # else its evaluation is to come
                        self.train_epoch()
                    improved = self.evaluate_if_due()
                    self.state.end_epoch()
                    self.save(best=improved)
                    self.tell_paddlex(done=self.state.epoch == self.last_epoch)
        finally:
            self.profile.close()
            self.scalars.close()
            self.claim.close()
        return self.state.best_metric

    def train_epoch(self) -> None:
        """Train on what is left of the running epoch."""
        state = self.state
        progress = self.start_progress()
        for images_NCHW, labels in progress.timed(self.train_batches()):
            with ranks.sharing_gradients(self.parallel_model, self.ends_group), self.precision.autocast():
                logits = self.parallel_model(images_NCHW)
                loss = self.train_loss(logits, labels)
            lr = state.schedule.lr(state.step)  # of the update that this batch is for
            self.accumulate(loss)
            sums = self.train_metric(logits, labels)
            self.profile.step()
            self.watchdog.moved()
            progress.update(len(images_NCHW), loss, sums, lr, state.step)
            self.save_points.count_batch()
            self.save_if_due(progress)
        progress.finish()
        report_skipped(self.train_loader)

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
        state.share_statistics()
        state.ema.update()  # after the weights and the statistics have moved
        state.step += 1

    def evaluate_if_due(self) -> bool:
        """Evaluate if it is this epoch's turn; return whether the model is the best so far."""
        state, settings, epoch = self.state, self.config.Global, self.state.epoch + 1
        # Not at an early stop: a run that goes on from there must not differ from one that never stopped.
        its_turn = epoch % settings.eval_interval == 0 or epoch == settings.epochs
        if not (settings.eval_during_train and its_turn and epoch >= settings.start_eval_epoch):
            return False
        with state.ema.swapped():
            results = self.evaluate()
        self.save_points.agree()
        if self.save_points.stops:
            self.save(best=None)
            self.end_if_told()
        state.results = results
        logger.info(f"[Eval][Epoch {epoch}][Avg]{text_of(results)}")
        if not math.isfinite(results["loss"]):
            raise self.diverged("the loss of the evaluation is")
        self.scalars.add("eval", state.step, {"epoch": epoch, **results})
        name, sign = (self.eval_metric.names[0], 1) if self.eval_metric.names else ("loss", -1)
        metric = results[name]
        state.schedule.observe(metric)
        improved = state.best_metric is None or sign * metric > sign * state.best_metric
        state.best_metric = metric if improved else state.best_metric
        logger.info(f"[Eval][Epoch {epoch}][best metric: {state.best_metric:.5f}]")
        return improved

    def evaluate(self) -> dict[str, float]:
        """Return loss and metrics over the whole evaluation set, every sample once, the same on all ranks.

        A run that is told to stop leaves it.
        """
        self.model.eval()
        averages = Averages(self.eval_metric.names)
        for images_NCHW, labels in tensors(self.eval_loader.epoch(0)):
            with paddle.no_grad(), self.precision.autocast(training=False):
                logits = self.model(images_NCHW)
                averages.add(len(images_NCHW), self.eval_loss(logits, labels), self.eval_metric(logits, labels))
            self.watchdog.moved()
            if self.save_points.told_to_stop:
                break
        report_skipped(self.eval_loader)
        return averages.read_all_ranks()

    def evaluate_weights(self) -> dict[str, float]:
        """Evaluate the weights that the config names, and log to `eval.log`."""
        for part in ("eval_loader", "eval_loss", "eval_metric"):
            getattr(self, part)
        refuse_other_classes(build.label_names(self.config), self.eval_loader.dataset.label_names, "the weights")
        build.load_start_weights(self.config, self.model, new_head=False)
        self.log_to("eval.log")
        self.choose_operators(passes=len(self.eval_loader.dataset))
        self.precision.prepare(self.model, None)
        with self.watchdog:
            results = self.evaluate()
        logger.info(f"[Eval][Epoch 0][Avg]{text_of(results)}")  # as in PaddleClas; PaddleX searches for it
        return results

    def log_to(self, name: str) -> None:
        """Also log to a file in the run's folder; only the first rank does."""
        if ranks.rank() == 0:
            self.checkpoints.make_folder()
            log.start_file(self.folder / name)

    def save_if_due(self, progress: Progress) -> None:
        """Save within an epoch where that is due, after a group's last batch; then end a run that was told to."""
        done, freq = self.state.batches_done, self.config.Global.update_freq
        if done < self.batches_per_epoch and done % freq == 0 and self.save_points.is_due(self.state.step):
            self.state.averages = progress.averages.state_dict()
            self.save(best=None)
            self.end_if_told()

    def end_if_told(self) -> None:
        """Raise TerminatedError if SIGTERM has come to a rank."""
        if self.save_points.stops:
            state = self.state
            raise TerminatedError(
                f"SIGTERM: the training stops after {state.epoch} epochs and {state.batches_done} batches (step "
                f"{state.step}); all of it is in '{self.resume_from}'; start it again with Global.checkpoints=auto"
            )

    def save(self, *, best: Optional[bool]) -> None:
        """Write the checkpoints of the epoch that has just ended, or `latest` of a running one (`best` is None).

        Only the first rank does.
        """
        if ranks.rank() == 0:
            saved = self.state.checkpoint(
                label_names=list(self.train_loader.dataset.label_names),
                class_num=self.config.class_num,
                config=dump_config(self.config),
                pace=dataclasses.asdict(self.pace),
            )
            if not all(np.isfinite(values).all() for values in saved.weights.values()):
                raise self.diverged("the weights are")
            if best is None:
                self.checkpoints.save_latest(saved)
            else:
                self.checkpoints.save(saved, epoch=self.state.epoch, best=best)
        ranks.wait_for_all()
        self.save_points.saved()
        self.resume_from = self.folder / "latest"

    def tell_paddlex(self, *, done: bool) -> None:
        """Write what PaddleX wants to know of the run, where the config asks for it; only the first rank does."""
        if self.config.Global.uniform_output_enabled and ranks.rank() == 0:
            train_result.write(self.config, self.folder, done=done)

    def diverged(self, what: str) -> TrainingError:
        """Return the error of an epoch, the running one or else the last one, whose numbers are lost."""
        state = self.state
        epoch = state.epoch + (state.batches_done > 0)
        return diverged(f"epoch {epoch} (step {state.step})", what, state.optimizer.get_lr())

    def train_batches(self) -> Iterator[tuple[paddle.Tensor, paddle.Tensor]]:
        """Yield what is left of the running epoch as tensors on the device, and seed what the model draws."""
        state = self.state
        self.model.train()
        batches = self.train_loader.epoch(state.epoch, skip=state.batches_done)
        for batch in tensors(itertools.islice(batches, self.batches_per_epoch - state.batches_done)):
            seed_batch(self.config.Global.seed, state.epoch, state.batches_done, ranks.rank())
            yield batch

    def start_progress(self) -> Progress:
        """Return the progress of the running epoch."""
        return Progress(
            self.scalars,
            Averages(self.train_metric.names, self.state.averages),
            self.state.scaler.num_skipped,
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
        settings, config = self.config.Global, self.config
        run_folder.refuse_to_replace(self.folder, settings)  # before the time that building takes
        self.prepare()
        train, state = self.train_loader.dataset, self.state
        self.profile.start()
        if ranks.rank() == 0:
            done = (state.epoch, state.batches_done)
            with contextlib.ExitStack() as claim:
                claim.enter_context(run_folder.claimed(self.folder, settings))
                self.checkpoints.make_room(state.checkpoint())
                write_text(self.folder / "config.yaml", dump_config(config))
                log.start_file(self.folder / "train.log")
                self.scalars = log.scalars(self.folder, done=done, use_visualdl=settings.use_visualdl)
                self.claim = claim.pop_all()
        logger.info(
            f"{config.Arch.name}, {config.class_num} classes, on {self.device}, {self.precision}; "
            f"{len(train)} pictures, {self.batches_per_epoch} batches an epoch, seed {settings.seed}"
        )
        if self.resume_from:
            within = f", batch {state.batches_done}" if state.batches_done else ""
            logger.info(f"go on from '{self.resume_from}': epoch {state.epoch}{within}, step {state.step}")
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
