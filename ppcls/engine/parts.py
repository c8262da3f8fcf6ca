"""The parts of a run, each built from the config when it is first used."""

import functools
from pathlib import Path
from typing import Optional, Union

import paddle
from paddle import nn

from ppcls import device
from ppcls.config.schema import RunConfig
from ppcls.data.loader.loader import Loader
from ppcls.data.loader.retrieval import QueryAndGallery
from ppcls.data.sources.base import LabelledImages
from ppcls.engine import build, checkpoints, clock, criteria, operators, ranks, resume, trackers
from ppcls.engine.class_names import refuse_other_classes, refuse_other_run
from ppcls.engine.clock import Clock, Timing
from ppcls.engine.ema import Ema, NoEma
from ppcls.engine.evaluator import Evaluator
from ppcls.engine.guard import Guard, ScaledGuard
from ppcls.engine.precision import Precision
from ppcls.engine.profile import NoProfile, Profile
from ppcls.engine.seed import seed_weights
from ppcls.engine.state import TrainState
from ppcls.engine.tally import Tally
from ppcls.engine.updates import Updates
from ppcls.losses.base import Loss
from ppcls.models.layers import at_stage
from ppcls.tasks.task import Task


class Parts:
    """What a config describes; each command builds, and so checks, just what it needs."""

    def __init__(self, config: RunConfig) -> None:
        self.config = config
        ranks.report_in_python()
        self.device = device.select(config.Global.device)
        self.watchdog = ranks.watchdog(config.Global.hang_seconds)
        if ranks.world_size() > 1:
            self.watchdog.start()  # as the others may never come
        ranks.start(self.device)
        seed_weights(config.Global.seed)  # for a subclass with a model of its own
        self.precision = Precision(config.AMP, self.device)
        self.folder = Path(config.Global.output_dir) / config.Arch.name
        self.timing = Timing()
        self.resume_from: Optional[Path] = None  # the newest checkpoint of this run

    def prepare(self) -> None:
        """Build and check all that training needs, before anything is written."""
        trackers.refuse_missing(self.config.source, self.config.Global.loggers)
        evaluates = self.config.Global.eval_during_train
        # The model before the losses: one with weights of its own must not change what the model draws.
        for part in ("train_loader", *(["evaluators"] if evaluates else []), "model", "train_losses"):
            getattr(self, part)
        self.task = build.task(self.config, self.model, self.train_losses, self.unlabelled_losses)
        at_stage(self.model, *self.train_loader.stage(0))
        for part in ("tally", "state", "updates", "parallel_model", "clock"):
            getattr(self, part)
        if evaluates:
            for evaluator in self.evaluators:
                names = self.train_loader.dataset.label_names, evaluator.loader.dataset.label_names
                refuse_other_classes(*names, "the training set", evaluator.data)

    @functools.cached_property
    def model(self) -> nn.Layer:
        seed_weights(self.config.Global.seed)
        return build.model(self.config)

    @functools.cached_property
    def task(self) -> Task:
        """What is done with the model; without losses until `prepare` gives it some."""
        return build.task(self.config, self.model, {})

    @functools.cached_property
    def frozen(self) -> dict[str, str]:
        """Checksums of the models that no training changes, and no checkpoint holds."""
        return resume.checksums(self.task.frozen)

    @functools.cached_property
    def parallel_model(self) -> nn.Layer:
        """What is trained, as it runs: as a static graph if `to_static`, with gradients shared among the ranks."""
        trained = self.task.trained
        return ranks.parallel(paddle.jit.to_static(trained) if self.config.Global.to_static else trained)

    @functools.cached_property
    def train_loader(self) -> Loader:
        return build.train_loader(self.config)

    @functools.cached_property
    def eval_loader(self) -> Union[Loader, QueryAndGallery]:
        return build.eval_loader(self.config)

    def data_sets(self) -> dict[str, LabelledImages]:
        """Return the data sets of the run, by where the config has them."""
        found = {"DataLoader.Train.dataset": self.train_loader.dataset}
        if self.config.Global.eval_during_train:
            found.update((evaluator.data, evaluator.loader.dataset) for evaluator in self.evaluators)
        return found

    @functools.cached_property
    def train_losses(self) -> dict[str, Loss]:
        return criteria.losses(self.config.require("Loss.Train", "train"), self.train_loader, self.config.class_num)

    @functools.cached_property
    def unlabelled_losses(self) -> Optional[dict[str, Loss]]:
        """Losses of images without labels; None where there are none to learn from."""
        if not self.config.Global.learns_unlabelled:
            return None
        parts = self.config.require("UnLabelLoss.Train", "train_mode: fixmatch")
        return criteria.losses(parts, self.train_loader, self.config.class_num)

    @functools.cached_property
    def tally(self) -> Tally:
        """Loss, terms and metrics of the running epoch of training."""
        metrics = criteria.metrics(self.config.Metric.Train, self.train_loader, self.config.class_num)
        return Tally(self.task.terms, metrics)

    @functools.cached_property
    def evaluators(self) -> list[Evaluator]:
        others = [build.loader(self.config, section.DataLoader, training=False) for section in self.config.Evaluators]
        return criteria.evaluators(self.config, self.eval_loader, others)

    @functools.cached_property
    def checkpoints(self) -> checkpoints.Checkpoints:
        settings = self.config.Global
        return checkpoints.Checkpoints(self.folder, keep=settings.keep, save_interval=settings.save_interval)

    @functools.cached_property
    def state(self) -> TrainState:
        """The training state: new, or, with `Global.checkpoints`, where that run stood."""
        config, pace, trained = self.config, self.pace, self.task.trained
        schedule = build.schedule(config, pace.steps_per_epoch)
        optimizer = build.optimizer(config, trained, schedule)
        found = resume.find(config, self.folder)
        names = self.train_loader.dataset.label_names
        build.load_frozen_weights(self.model, names)
        if found is None:
            build.load_start_weights(config, self.model, new_head=True, class_names=names)
        self.choose_operators(passes=self.training_passes)
        self.precision.prepare(trained, optimizer)
        ema = Ema(trained, config.EMA.decay) if config.EMA else NoEma()
        state = TrainState(trained, optimizer, schedule, self.precision.scaler, ema)
        if found is not None:
            self.resume_from, saved = found
            refuse_other_run(self.resume_from, saved, names)
            resume.refuse_other_frozen(self.resume_from, saved, self.frozen)
            resume.restore(state, saved, config, pace)
        resume.refuse_other_places(state)
        return state

    @functools.cached_property
    def guard(self) -> Guard:
        """What keeps numbers that are not finite from the weights."""
        optimizer, scaler = self.state.optimizer, self.state.scaler
        gradients = build.gradients(self.config, self.state.model)
        if scaler.is_enable():
            return ScaledGuard(optimizer, gradients, scaler)
        return Guard(optimizer, gradients, free_reads=self.device == "cpu")

    @functools.cached_property
    def updates(self) -> Updates:
        freq = self.config.Global.update_freq
        return Updates(self.state, self.guard, self.train_loader, freq, self.batches_per_epoch)

    @functools.cached_property
    def clock(self) -> Clock:
        """What may end the training before its epochs do."""
        return clock.make(self.config, self.state, self.pace.steps_per_epoch, self.folder, self.timing)

    @property
    def pace(self) -> resume.Pace:
        freq = self.config.Global.update_freq
        return resume.Pace(
            world_size=ranks.world_size(),
            global_batch=self.train_loader.batch_size(0) * ranks.world_size(),
            update_freq=freq,
            batches_per_epoch=self.batches_per_epoch,
            steps_per_epoch=-(-self.batches_per_epoch // freq),
        )

    @property
    def training_passes(self) -> int:
        """What a training counts as in `choose_operators`: the images of all epochs, each as three.

        Also if it stops early: one that resumes from there must compute with the same.
        """
        return 3 * self.config.Global.epochs * self.batches_per_epoch * self.train_loader.batch_size(0)

    def choose_operators(self, *, passes: float) -> None:
        """Choose what the model computes with, for so many images forward (see `operators.choose`)."""
        amp = self.precision.amp.use_amp
        operators.choose(self.config, self.model, device=self.device, bfloat16=amp, passes=passes)

    def summary(self, *, training: bool) -> str:
        """Return what computes, in words."""
        name, numbers = self.config.Arch.name, self.precision.numbers(training=training)
        return f"{name}, {self.config.class_num} classes, on {self.device}, {numbers}"

    @functools.cached_property
    def profile(self) -> Union[Profile, NoProfile]:
        settings = self.config.Global
        if not settings.profiler or ranks.rank() != 0:
            return NoProfile()
        return Profile(settings.profiler_path, *settings.profiler_batches)

    @functools.cached_property
    def batches_per_epoch(self) -> int:
        """Training batches per epoch on this rank, within the limits `iter_per_epoch` and `prof`."""
        settings = self.config.Global
        limits = [len(self.train_loader), settings.iter_per_epoch, settings.prof * settings.update_freq]
        return min(limit for limit in limits if limit and limit > 0)

    @property
    def last_epoch(self) -> int:
        settings = self.config.Global
        return min(settings.epochs, settings.early_stop) if settings.early_stop > 0 else settings.epochs

    @property
    def batches_left(self) -> int:
        """How many batches are to come in this run, unless it ends by the time or by `Global.patience`."""
        state, pace, last = self.state, self.pace, self.last_epoch * self.batches_per_epoch
        if self.clock.max_steps > 0:
            epochs, steps = divmod(self.clock.max_steps, pace.steps_per_epoch)
            last = min(last, epochs * self.batches_per_epoch + steps * pace.update_freq)
        return last - state.epoch * self.batches_per_epoch - state.batches_done
