"""Answers of an exported model for many images: printed, or written to a file that a later call completes."""

import contextlib
import itertools
import logging
import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Optional

from ppcls import device
from ppcls.class_names import read_label_map
from ppcls.config import DeployConfig
from ppcls.config.load import listed
from ppcls.errors import CheckpointError, ConfigError
from ppcls.files import make_folder, sha256_of
from ppcls.images import stream
from ppcls.images.sources import name_of, told_apart
from ppcls.inference import artifact
from ppcls.inference.postprocess import Prediction
from ppcls.inference.predictor import Outcome, Predictor
from ppcls.inference.results import Results
from ppcls.inference.runtimes import Precision
from ppcls.inference.timing import Times, no_times
from ppcls.text import as_utf8

logger = logging.getLogger("ppcls")

PROGRESS_SECONDS = 5.0


def answer(config: DeployConfig, out: Optional[Path]) -> int:
    """Predict what the config says, and print the answers or write them to `out`; return 1 if an image failed."""
    asked = config.require("Global.infer_imgs", "predict")
    sources = [asked] if isinstance(asked, str) else list(asked)
    with warnings_on_stderr():
        say_notes(config)
        if out is None:
            return _print(config, predictor_of(config), sources)
        return _write(config, sources, out)


@contextlib.contextmanager
def warnings_on_stderr() -> Iterator[None]:
    """Print what the log warns of."""
    handler = logging.StreamHandler()
    logger.addHandler(handler)
    logger.propagate = False  # Paddle gives the root logger a handler, which would say all again
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = True


def say_notes(config: DeployConfig) -> None:
    """Log what the user should know of how the config was read."""
    for note in config.notes:
        logger.warning(note)


def _print(config: DeployConfig, predictor: Predictor, sources: list[str]) -> int:
    """Print a line for each image."""
    # All are found before the first is predicted, so that a wrong path says so first.
    found = list(stream.find(sources))
    names, root = told_apart(found), _root(sources)
    times = Times() if config.Global.enable_benchmark else no_times
    started = time.perf_counter()
    problems = []
    for outcome in predictor.stream(found, batch_size=config.Global.batch_size, times=times):
        if outcome.prediction is None:
            problems.append(f"{name_of(outcome.source)}: {outcome.problem}")
        else:
            print(outcome.prediction.line(names[outcome.source]))
            _save(config, outcome.source, root, outcome.prediction)
    if config.Global.enable_benchmark:
        print(f"{predictor.about}, batch {config.Global.batch_size}")
        print(times.table(len(found) - len(problems), time.perf_counter() - started))
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def _write(config: DeployConfig, sources: list[str], path: Path) -> int:
    """Write a row for each image, from where an interrupted run stopped."""
    total = sum(1 for _ in stream.find(sources))
    predictor = predictor_of(config)
    predictor.postprocess_for(None)  # one without classes is refused before anything is written
    todo = stream.find(sources, say=False)
    with Results(path, _made_by(config)) as results:
        for name in itertools.islice(todo, results.num_done):
            last = as_utf8(name)
        if results.num_done and results.last_name != last:
            raise ConfigError(
                f"--out: '{path}' has row {results.num_done} for '{results.last_name}'; '{last}' is now at this place; "
                "give another file, or the same images"
            )
        root = _root(sources)
        outcomes = predictor.stream(todo, batch_size=config.Global.batch_size)
        for outcome in _with_progress(outcomes, results.num_done, total):
            results.add(outcome.source, outcome.prediction, outcome.problem)
            if outcome.prediction is not None:
                _save(config, outcome.source, root, outcome.prediction)
    print(f"{total:,} images, {results.num_failed:,} of them could not be read; the results are in {path}")
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
            text = f"{done:,} of {total:,} images ({done / total:.1%}), {speed:.1f} images/s, eta: {eta}"
            print(text, file=sys.stderr, flush=True)


def _made_by(config: DeployConfig) -> dict[str, Any]:
    """Return what the answers depend on: the sums of the model's files, and the settings that replace its own."""
    files = artifact.files_of(Path(config.Global.inference_model_dir))
    there = [file for file in (files.model, files.weights, files.onnx, files.description) if file]
    section = config.PostProcess
    chosen: dict[str, Any] = {}
    if section is not None:
        part = getattr(section, section.main_indicator)
        chosen = {section.main_indicator: dict(part.args) if part else {}}
    names = chosen and next(iter(chosen.values())).get("class_id_map_file")
    return {
        "model": {file.name: sha256_of(file) for file in there},
        "precision": _precision(config),
        "PreProcess": [listed(part) for part in config.PreProcess.transform_ops],
        "PostProcess": chosen,
        "class_id_map_file": read_label_map(names) if names else [],
        **({"tta": True} if config.Global.tta else {}),  # earlier files do not say it
    }


def _precision(config: DeployConfig) -> Precision:
    settings = config.Global
    if settings.use_fp16 and settings.use_bf16:
        raise ConfigError(f"{config.source}: Global: use_fp16 and use_bf16 exclude each other; keep one of them")
    return "float16" if settings.use_fp16 else "bfloat16" if settings.use_bf16 else "float32"


def predictor_of(config: DeployConfig) -> Predictor:
    """Return the exported model of a deploy YAML, as that wants it run."""
    settings = config.Global
    wanted = [kind for kind in ("gpu", "sdaa", "xpu", "npu") if getattr(settings, f"use_{kind}")]
    if len(wanted) > 1:
        keys = ", ".join(f"use_{kind}" for kind in wanted)
        raise ConfigError(f"{config.source}: Global: one device at a time; received {keys}; keep one of them")
    kind = wanted[0] if wanted else "cpu"
    device.require(kind, f"Global.use_{kind}: True")
    return Predictor(
        settings.inference_model_dir,
        device=kind,
        threads=settings.cpu_num_threads,
        precision=_precision(config),
        engine=settings.engine,
        deploy=config,
        onednn=settings.enable_mkldnn,
        optimise=settings.ir_optim,
        tensorrt=settings.use_tensorrt,
        gpu_mem_mib=settings.gpu_mem,
        profile=settings.enable_profile,
        tta=settings.tta,
    )


def _root(sources: Sequence[str]) -> str:
    """Return the folder that all sources are in, or the one that is searched."""
    folders = [source if os.path.isdir(source) else os.path.dirname(source) for source in sources]
    return os.path.commonpath([os.path.abspath(folder) for folder in folders])


def _save(config: DeployConfig, source: str, root: str, prediction: Prediction) -> None:
    """Copy the image into the folder of its class, where SavePreLabel asks for it, as it lies below `root`."""
    if config.PostProcess is None or config.PostProcess.SavePreLabel is None:
        return
    best = str(prediction.class_ids[0]) if prediction.class_ids else "none"
    path = Path(os.path.abspath(source))
    below = path.relative_to(root if path.is_relative_to(root) else path.anchor)
    target = Path(config.PostProcess.SavePreLabel.save_dir) / best / below
    make_folder(target.parent, "PostProcess.SavePreLabel.save_dir")
    try:
        shutil.copy2(source, target)
    except OSError as error:
        raise CheckpointError(f"PostProcess.SavePreLabel.save_dir: can't write '{target}'; {error.strerror}") from error
