"""Answers of an exported model for many pictures: printed, or written to a file that a later call completes."""

import contextlib
import itertools
import logging
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Optional

from ppcls import device
from ppcls.config import DeployConfig
from ppcls.errors import ConfigError
from ppcls.files import make_folder
from ppcls.images import stream
from ppcls.inference.postprocess import Prediction
from ppcls.inference.predictor import Outcome, Predictor
from ppcls.inference.results import Results
from ppcls.inference.timing import Times, no_times

logger = logging.getLogger("ppcls")

PROGRESS_SECONDS = 5.0


def answer(config: DeployConfig, out: Optional[Path]) -> int:
    """Predict what the config says, and print the answers or write them to `out`; return 1 if a picture failed."""
    asked = config.require("Global.infer_imgs", "predict")
    sources = [asked] if isinstance(asked, str) else list(asked)
    with _warnings_on_stderr():
        for note in config.notes:
            logger.warning(note)
        if out is None:
            return _print(config, _predictor(config), sources)
        return _write(config, sources, out)


@contextlib.contextmanager
def _warnings_on_stderr() -> Iterator[None]:
    handler = logging.StreamHandler()
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def _print(config: DeployConfig, predictor: Predictor, sources: list[str]) -> int:
    """Print a line for each picture."""
    # All are found before the first is predicted, so that a wrong path says so first.
    found = stream.find(sources)
    times = Times() if config.Global.enable_benchmark else no_times
    started = time.perf_counter()
    problems = []
    for outcome in predictor.stream(found, batch_size=config.Global.batch_size, times=times):
        path = Path(str(outcome.source))
        if outcome.prediction is None:
            problems.append(f"{path}: {outcome.problem}")
        else:
            print(outcome.prediction.line(path.name))
            _save(config, path, outcome.prediction)
    if config.Global.enable_benchmark:
        print(f"{predictor.about}, batch {config.Global.batch_size}")
        print(times.table(len(found) - len(problems), time.perf_counter() - started))
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def _write(config: DeployConfig, sources: list[str], path: Path) -> int:
    """Write a row for each picture, from where an interrupted run left off."""
    total = sum(1 for source in sources for _ in stream.spread(source))
    with Results(path) as results:
        todo = itertools.chain.from_iterable(map(stream.spread, sources))
        for name in itertools.islice(todo, results.num_done):
            last = str(name)
        if results.num_done and results.last_name != last:
            raise ConfigError(
                f"--out: '{path}' has row {results.num_done} for '{results.last_name}'; '{last}' is now at this place; "
                "give another file, or the same pictures"
            )
        predictor = _predictor(config)
        outcomes = predictor.stream(todo, batch_size=config.Global.batch_size)
        for outcome in _with_progress(outcomes, results.num_done, total):
            results.add(str(outcome.source), outcome.prediction, outcome.problem)
            if outcome.prediction is not None:
                _save(config, Path(str(outcome.source)), outcome.prediction)
    print(f"{total:,} pictures, {results.num_failed:,} of them could not be read; the results are in {path}")
    return 1 if results.num_failed else 0


def _with_progress(outcomes: Iterable[Outcome], num_done: int, total: int) -> Iterator[Outcome]:
    """Pass the outcomes on, and say now and then how far they are and how long the rest will take."""
    started = said = time.monotonic()
    for number, outcome in enumerate(outcomes, start=1):
        yield outcome
        now = time.monotonic()
        if now - said >= PROGRESS_SECONDS:
            said, speed = now, number / (now - started)
            seconds = int((total - num_done - number) / speed)
            eta = f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
            done = num_done + number
            text = f"{done:,} of {total:,} pictures ({done / total:.1%}), {speed:.1f} images/s, eta: {eta}"
            print(text, file=sys.stderr, flush=True)


def _predictor(config: DeployConfig) -> Predictor:
    settings = config.Global
    wanted = [kind for kind in ("gpu", "sdaa", "xpu", "npu") if getattr(settings, f"use_{kind}")]
    if len(wanted) > 1:
        keys = ", ".join(f"use_{kind}" for kind in wanted)
        raise ConfigError(f"{config.source}: Global: one device at a time; received {keys}; keep one of them")
    if settings.use_fp16 and settings.use_bf16:
        raise ConfigError(f"{config.source}: Global: use_fp16 and use_bf16 exclude each other; keep one of them")
    kind = wanted[0] if wanted else "cpu"
    device.require(kind, f"Global.use_{kind}: True")
    return Predictor(
        settings.inference_model_dir,
        device=kind,
        threads=settings.cpu_num_threads,
        precision="float16" if settings.use_fp16 else "bfloat16" if settings.use_bf16 else "float32",
        engine=settings.engine,
        deploy=config,
        onednn=settings.enable_mkldnn,
        optimise=settings.ir_optim,
        tensorrt=settings.use_tensorrt,
        gpu_mem_mib=settings.gpu_mem,
        profile=settings.enable_profile,
    )


def _save(config: DeployConfig, path: Path, prediction: Prediction) -> None:
    """Copy the picture into the folder of its class, where SavePreLabel asks for it."""
    if config.PostProcess is None or config.PostProcess.SavePreLabel is None:
        return
    best = str(prediction.class_ids[0]) if prediction.class_ids else "none"
    folder = Path(config.PostProcess.SavePreLabel.save_dir) / best
    make_folder(folder, "PostProcess.SavePreLabel.save_dir")
    shutil.copy2(path, folder / path.name)
