"""From a folder of images to a trained, evaluated and exported model."""

import contextlib
import html
import logging
import shlex
import shutil
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Literal, Optional, Union

from ppcls.api import instant, stored
from ppcls.api.events import Listener, OnEvent
from ppcls.api.model import Model, load
from ppcls.config import as_overrides, load_config
from ppcls.engine import log
from ppcls.engine.clock import TimedClock, settled
from ppcls.engine.engine import Engine
from ppcls.engine.scalars import Scalars
from ppcls.errors import CheckpointError, TerminatedError, UserError
from ppcls.models.weight_files import about
from ppcls.recipes import recipe
from ppcls.recipes.options import Options
from ppcls.report.content import collect
from ppcls.report.evaluation import Evaluation
from ppcls.report.sources import LISTED_NAMES
from ppcls.report.writing import write_report

logger = logging.getLogger("ppcls")


@dataclass(frozen=True)
class Run:
    """A training: its folder, the results of the best evaluation, and the model; without that where it was stopped."""

    folder: Path
    results: Mapping[str, float]
    stopped: bool
    model: Optional[Model] = None
    evaluation: Optional[Evaluation] = None
    report: Optional[Path] = None  # the page

    @property
    def inference(self) -> Path:
        """The folder that `ppcls predict`, `ppcls serve` and `ppcls.Predictor` run."""
        return self.folder / "inference"

    def summary(self) -> str:
        """Return what came out, and what to type next."""
        shown = ", ".join(f"{name} {value:.4f}" for name, value in self.results.items())
        folder = shlex.quote(str(self.inference))
        report = f"  how good it is:  {self.report}\n" if self.report else ""
        return (
            f"{self.folder}: {shown}, on images that it was not trained on\n{report}"
            f"  to predict:      ppcls predict IMAGES --model {folder}\n"
            f"  to serve:        ppcls serve {folder}\n"
            f"  to train again:  ppcls train -c {shlex.quote(str(self.folder / recipe.CONFIG))} "
            "-o Global.output_dir=OTHER_FOLDER"
        )

    def _repr_html_(self) -> str:
        shown = ", ".join(f"{name} {value:.4f}" for name, value in self.results.items())
        state = "stopped; the same call resumes it" if self.stopped else "done"
        below = self.evaluation._repr_html_() if self.evaluation else ""
        return f"<p><b>{html.escape(str(self.folder))}</b> ({state}): {html.escape(shown)}</p>{below}"


def train(
    source: Union[str, Path],
    *,
    model: Optional[str] = None,
    epochs: Optional[int] = None,
    minutes: Optional[float] = None,
    patience: Optional[int] = None,
    size: Optional[int] = None,
    freeze: Optional[Literal["backbone"]] = None,
    labels: Optional[Literal["single", "multi"]] = None,
    override: Union[Mapping[str, Any], Sequence[str]] = (),
    output: Union[str, Path] = "output",
    loggers: Sequence[Scalars] = (),
    on_event: Optional[OnEvent] = None,
    started: Optional[float] = None,
) -> Run:
    """Train on a folder of images (or a .zip, .csv or list), evaluate, report, export; what is None is chosen.

    `override`: keys of the config, {"Global.seed": 1}. `loggers` get the numbers of the run, `on_event` each
    event; it returns `Stop` to end the training. Ctrl-C ends it too. The same call resumes what was stopped.
    `started`: when the `minutes` began, by time.monotonic(); unset, at the call.
    Raises: UserError for data or options that can't be, TrainingError if the training diverges.
    """
    started = time.monotonic() if started is None else started
    given = override if not isinstance(override, Mapping) else as_overrides(override)
    options = Options(model, epochs, minutes, patience, size, freeze, labels, tuple(given))
    with logged():
        planned = recipe.plan(str(source), options)
        _, resumes = recipe.folder_of(planned, Path(output))
        folder = recipe.write(planned, Path(output))
        for line in recipe.why_of(folder):  # of the run, which may have begun with other memory
            logger.info(line)
        logger.info(f"all of it is in '{folder / recipe.CONFIG}'")
        try:
            return train_in(folder, started, loggers, on_event)
        except UserError:
            if not resumes and not any(folder.glob("*/latest.pdparams")):  # refused before anything was learned
                shutil.rmtree(folder)
            raise


def train_in(folder: Path, started: float, loggers: Sequence[Scalars] = (), on_event: Optional[OnEvent] = None) -> Run:
    """Train by the `config.yaml` in a folder of a run, or resume that; then evaluate, report on and export the best.

    That is the instant model, made first, unless the training beats it. `started`: when, by the monotonic clock, the
    time of `Global.minutes` began.
    """
    if about(folder / stored.MODEL).get(LISTED_NAMES):
        raise CheckpointError(
            f"{folder}: has classes that were added or removed since its training, which would be undone; "
            "give another --output, or remove the folder"
        )
    config = load_config(str(folder / recipe.CONFIG))
    has_instant = instant.make(folder, config, started)
    if has_instant and (config.Arch.pretrained or config.Global.pretrained_model):
        config = recipe.settle(folder, [f"Global.pretrained_model={instant.prefix(folder)}"])
    elif not has_instant and (faster := recipe.with_new_head(config)):
        config = recipe.settle(folder, faster)
    engine = Engine(config)
    engine.timing = instant.timing(folder, config, started)

    def stop() -> None:
        engine.save_points.told_to_stop = True

    engine.loggers = [*loggers, *([Listener(on_event, stop)] if on_event else [])]
    with stopping_by_ctrl_c(stop):
        try:
            engine.train()
        except TerminatedError:
            return Run(folder, engine.state.results, stopped=True)
    if isinstance(engine.clock, TimedClock):
        decided = settled(engine.state.step, engine.clock.schedule.decay)
        recipe.settle(folder, as_overrides(decided), without=("minutes",))
    return finished(folder, engine, instant.prefix(folder) if has_instant else None)


def finished(folder: Path, engine: Engine, instant_prefix: Optional[Path]) -> Run:
    """Return the run of a training that is done, with its best model evaluated, stored and exported."""
    best = engine.folder / ("latest" if engine.state.best_metric is None else "best_model")
    instant_wins = instant_prefix is not None and not beats(engine, about(instant_prefix).get("results", {}))
    if instant_wins:
        model = load(folder / instant.FOLDER)
    else:
        config = load_config(str(folder / recipe.CONFIG), as_overrides({"Arch.pretrained": False}))
        model = Model(stored.with_global(config, pretrained_model=str(best)))
    model.engine.choose_operators(passes=engine.training_passes)
    content = collect(model.answering(folder), None)
    if not (instant_wins or content.measured.several):  # none are kept of several classes an image
        instant.keep_statistics(model, content.trained[1] if content.trained else None)
    model.replace(folder)
    return Run(folder, model.results, False, load(folder), content.measured, write_report(content, folder))


def beats(engine: Engine, before: Mapping[str, float]) -> bool:
    """Return whether a training is better than what was before it, by the first metric; the log says which is kept."""
    name, way = engine.evaluators[0].crown()
    best, old = engine.state.best_metric, before[name]
    better = best is not None and (best > old if way == "max" else best < old)
    kept = "the trained model is kept" if better else "the instant model is kept"
    trained = "none" if best is None else f"{best:.5f}"
    logger.info(f"{name} of the training {trained}, of the instant model {old:.5f}: {kept}")
    return better


@contextlib.contextmanager
def stopping_by_ctrl_c(stop: Any) -> Iterator[None]:
    """Call `stop` at the first Ctrl-C; the second one interrupts. What is set for signals stands again afterwards."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(_number: int, _frame: Optional[FrameType]) -> None:
        logger.warning("interrupted: the training stops at the end of this batch; once more ends it at once")
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stop()

    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def logged() -> Iterator[None]:
    """Show the log on the console unless it is shown already; close afterwards what a run has opened."""
    before, propagate = list(logger.handlers), logger.propagate
    if not before:
        log.start_console()
    try:
        yield
    finally:
        for handler in [handler for handler in logger.handlers if handler not in before]:
            logger.removeHandler(handler)
            handler.close()
        logger.propagate = propagate
