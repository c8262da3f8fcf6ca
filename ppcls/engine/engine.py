"""The training loop and the evaluation."""

import contextlib
import dataclasses
import itertools
import logging
import math
import time
from collections.abc import Iterator, Sequence
from typing import Optional

import numpy as np
import paddle

from ppcls.batch import Batch
from ppcls.config import dump_config
from ppcls.config.schema import RunConfig
from ppcls.engine import batches, build, log, manifest, ranks, run_folder, train_result
from ppcls.engine.class_names import refuse_other_classes
from ppcls.engine.evaluator import Evaluator
from ppcls.engine.guard import Place, diverged
from ppcls.engine.parts import Parts
from ppcls.engine.progress import Progress, text_of
from ppcls.engine.saving import SavePoints
from ppcls.engine.scalars import Scalars, ScalarsOf, scalars
from ppcls.engine.seed import seed_batch
from ppcls.errors import TerminatedError, TrainingError
from ppcls.files import write_text
from ppcls.losses.base import terms_of
from ppcls.models.layers import at_stage, batch_norms

logger = logging.getLogger("ppcls")


class Engine(Parts):
    """Trains and evaluates what a config describes."""

    def __init__(self, config: RunConfig, loggers: Sequence[Scalars] = ()) -> None:
        super().__init__(config)
        self.loggers = loggers  # beside those of the config
        self.claim = contextlib.ExitStack()  # of the run's folder, while it trains
        self.scalars: Scalars = ScalarsOf()
        self.save_points = SavePoints(config.Global.save_steps, config.Global.save_minutes)

    def deployed(self) -> "Engine":
        """Return the engine of the model that is deployed, without those that it learned from."""
        config = self.config.deployed()
        return self if config is self.config else Engine(config)

    def train(self) -> Optional[float]:
        """Train to `Global.epochs`, from wherever the state stands; return the best metric, if there is one."""
        self.start_training()
        try:
            with self.watchdog, self.save_points:
                while not self.is_done:
                    self.end_if_told()
                    if not self.epoch_is_over:  # else its evaluation is to come
                        self.train_epoch()
                    improved = self.evaluate_if_due()
                    self.state.end_epoch()
                    self.save(best=improved)
                    self.tell_paddlex(done=self.is_done)
        finally:
            self.profile.close()
            self.scalars.close()
            self.claim.close()
        return self.state.best_metric

    @property
    def is_done(self) -> bool:
        """Whether all epochs are done, or the first metric has not become better for too many evaluations."""
        patience, state = self.config.Global.patience, self.state
        ended = state.batches_done == 0 and self.clock.is_over(state.step)
        return state.epoch >= self.last_epoch or 0 < patience <= state.num_worse or ended

    @property
    def epoch_is_over(self) -> bool:
        """Whether no more batches of the running epoch are to come."""
        return self.state.batches_done >= self.batches_per_epoch or self.clock.is_over(self.state.step)

    def train_epoch(self) -> None:
        """Train on what is left of the running epoch."""
        progress = self.start_progress()
        for batch in progress.timed(self.train_batches()):
            with ranks.sharing_gradients(self.parallel_model, self.updates.ends_group), self.precision.autocast():
                outputs = self.task.forward(self.parallel_model, batch)
            terms = self.task.losses(outputs, batch)  # outside: in float32, whatever the model computes in
            place = self.place
            self.guard.note(place, terms)
            self.updates.accumulate(batch, terms)
            self.tally.add(outputs, batch, terms)
            self.profile.step()
            self.watchdog.moved()
            progress.update(place.lr, self.state.step, self.state.norm)
            self.save_points.count_batch()
            self.save_if_due()
            self.clock.tick()
            if self.clock.is_over(self.state.step):
                break
        progress.finish()
        batches.report_skipped(self.train_loader)

    @property
    def place(self) -> Place:
        """Where the batch at hand is, and the learning rate of the update that it is for."""
        state = self.state
        return Place(state.epoch + 1, state.batches_done + 1, state.step, state.schedule.lr(state.step))

    def evaluate_if_due(self) -> bool:
        """Run the evaluations whose turn it is in this epoch; return whether the model is the best so far."""
        settings, epoch = self.config.Global, self.state.epoch + 1
        if not settings.eval_during_train or epoch < settings.start_eval_epoch:
            return False
        # Not at an early stop: a run that resumes from there must not differ from one that never stopped.
        last = epoch == settings.epochs or self.clock.is_over(self.state.step)
        due = [e for e in self.evaluators if epoch % e.every == 0 or last]
        found = [self.evaluate_averages(evaluator) for evaluator in due]
        return bool(due) and due[0] is self.evaluators[0] and self.crown(due[0], found[0])

    def evaluate_averages(self, evaluator: Evaluator) -> dict[str, float]:
        """Evaluate the averages of the weights, where there are any, and record what was found."""
        state, epoch, started = self.state, self.state.epoch + 1, time.monotonic()
        with state.ema.swapped():
            results = self.evaluate(evaluator)
        self.clock.evaluated(time.monotonic() - started)
        self.save_points.agree()
        if self.save_points.stops:
            self.save(best=None)
            self.end_if_told()
        logger.info(f"{evaluator.title}[Epoch {epoch}][Avg]{text_of(results)}")
        if not math.isfinite(results.get("loss", 0.0)):
            raise self.diverged("the loss of the evaluation is")
        self.scalars.add(evaluator.name, state.step, {"epoch": epoch, **results})
        return results

    def crown(self, evaluator: Evaluator, results: dict[str, float]) -> bool:
        """Return whether these results of the first evaluation are the best so far; the schedule sees them too."""
        state, (name, way) = self.state, evaluator.crown()
        state.results, value = results, results[name]
        state.schedule.observe(value)
        sign = 1 if way == "max" else -1
        improved = state.best_metric is None or sign * value > sign * state.best_metric
        state.best_metric = value if improved else state.best_metric
        state.num_worse = 0 if improved else state.num_worse + 1
        logger.info(f"{evaluator.title}[Epoch {state.epoch + 1}][best metric: {state.best_metric:.5f}]")
        if state.num_worse == self.config.Global.patience:
            logger.info(f"{state.num_worse} evaluations were no better: Global.patience ends the training")
        return improved

    def evaluate(self, evaluator: Evaluator) -> dict[str, float]:
        """Return loss and metrics over all its images, every sample once, the same on all ranks.

        A run that is told to stop leaves it.
        """
        self.task.trained.eval()
        evaluator.tally.reset()
        for batch in batches.on_device(evaluator.loader.epoch(0)):
            with paddle.no_grad():
                with self.precision.autocast(training=False):
                    outputs = evaluator.outputs(self.task, batch, mirrored=self.config.Global.tta)
                evaluator.tally.add(outputs, batch, terms_of(evaluator.losses, outputs, batch))
            self.watchdog.moved()
            if self.save_points.told_to_stop:
                break
        batches.report_skipped(evaluator.loader)
        return evaluator.tally.read_all_ranks()

    def evaluate_weights(self) -> dict[str, float]:
        """Run all evaluations on the weights that the config names, log to `eval.log`, return what the first found."""
        names = build.label_names(self.config)
        for evaluator in self.evaluators:
            refuse_other_classes(names, evaluator.loader.dataset.label_names, "the weights", evaluator.data)
        build.load_frozen_weights(self.model)
        build.load_start_weights(self.config, self.model, new_head=False)
        self.log_to("eval.log")
        num_images = sum(evaluator.loader.num_images for evaluator in self.evaluators)
        self.choose_operators(passes=num_images)
        self.precision.prepare(self.model, None)
        logger.info(f"{self.summary(training=False)}; {num_images} images")
        with self.watchdog:
            found = [self.evaluate(evaluator) for evaluator in self.evaluators]
        for evaluator, results in zip(self.evaluators, found):
            # As in PaddleClas; PaddleX searches for it.
            logger.info(f"{evaluator.title}[Epoch 0][Avg]{text_of(results)}")
        return found[0]

    def log_to(self, name: str) -> None:
        """Also log to a file in the run's folder; only the first rank does."""
        if ranks.rank() == 0:
            self.checkpoints.make_folder()
            log.start_file(self.folder / name)

    def save_if_due(self) -> None:
        """Save within an epoch where that is due, after a group's last batch; then end a run that was told to."""
        done, freq = self.state.batches_done, self.config.Global.update_freq
        if done < self.batches_per_epoch and done % freq == 0 and self.save_points.is_due(self.state.step):
            self.guard.look()
            self.state.averages = self.tally.state_dict()
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
                frozen=self.frozen,
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

    def train_batches(self) -> Iterator[Batch]:
        """Yield what is left of the running epoch as tensors on the device, and seed what the model draws."""
        state = self.state
        self.task.trained.train()
        for norm in batch_norms(self.task.trained, frozen=not self.config.Global.freeze_norms):
            norm.eval()  # so that its statistics stay, too
        at_stage(self.task.trained, *self.train_loader.stage(state.epoch))
        left = self.train_loader.epoch(state.epoch, skip=state.batches_done)
        for batch in batches.on_device(itertools.islice(left, self.batches_per_epoch - state.batches_done)):
            seed_batch(self.config.Global.seed, state.epoch, state.batches_done, ranks.rank())
            yield batch

    def start_progress(self) -> Progress:
        """Return the progress of the running epoch."""
        self.tally.load_state_dict(self.state.averages)
        return Progress(
            self.scalars,
            self.tally,
            self.guard.look,
            self.state.scaler.num_skipped,
            epoch=self.state.epoch + 1,
            epochs=self.config.Global.epochs,
            batches_left=self.batches_left,
            first_batch=self.state.batches_done,
            num_batches=self.batches_per_epoch,
            every=self.config.Global.print_batch_step,
            print_memory=self.config.Global.print_mem_info,
            clock=self.clock,
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
                if not any(done):
                    manifest.write(self.folder, self.data_sets())
                self.scalars = ScalarsOf(scalars(self.folder, settings, done=done), *self.loggers)
                self.claim = claim.pop_all()
        pace = f"{self.batches_per_epoch} batches per epoch"
        logger.info(f"{self.summary(training=True)}; {len(train)} images, {pace}, seed {settings.seed}")
        if self.resume_from:
            within = f", batch {state.batches_done}" if state.batches_done else ""
            logger.info(f"resuming from '{self.resume_from}': epoch {state.epoch}{within}, step {state.step}")
        if state.epoch >= self.last_epoch:
            logger.warning(f"nothing to train: {state.epoch} of {self.last_epoch} epochs are done; raise Global.epochs")
