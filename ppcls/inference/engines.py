"""Which engine runs an exported model: of those that are installed and do what is asked for, the fastest."""

import logging
import math
import time
from dataclasses import replace
from typing import Any, Optional

from numpy.typing import NDArray

from ppcls import environment
from ppcls.errors import CheckpointError, DeviceError
from ppcls.inference import runtimes
from ppcls.inference.artifact import Files
from ppcls.inference.runtimes import EngineName, Runtime, Settings, installed

logger = logging.getLogger("ppcls")

TRIALS, TRIAL_SECONDS, CLEARLY = 5, 0.5, 0.95


def computable(files: Files, settings: Settings, engine: Optional[EngineName]) -> Settings:
    """Return the settings with float32, after a warning, for a bfloat16 that nothing computes here.

    What they rule out themselves is left to be refused, on every CPU alike.
    """
    if settings.precision != "bfloat16" or settings.device != "cpu" or not settings.onednn or engine == "onnxruntime":
        return settings
    reason = environment.bfloat16_obstacle()
    if not (reason or files.model or engine or installed("openvino")):
        reason = "bfloat16 of an ONNX file needs OpenVINO, which is not installed"
    if not reason:
        return settings
    logger.warning(f"precision: {reason}; computing in float32")
    return replace(settings, precision="float32")


def candidates(files: Files, settings: Settings) -> list[EngineName]:
    """Return the engines that are installed and do what the settings ask for; which is the fastest is to be tried."""
    plain = settings == Settings(threads=settings.threads, precision=settings.precision, isolated=settings.isolated)
    of_onnx: list[EngineName] = ["openvino", "onnxruntime"] if settings.precision == "float32" else ["openvino"]
    found = [engine for engine in of_onnx if files.onnx and plain and installed(engine)]
    if files.model is None and not found:
        raise DeviceError(
            f"'{files.onnx}': an ONNX file needs ONNX Runtime or OpenVINO, in float32 on the CPU; received "
            f"{settings.precision} on {settings.device}; pip install onnxruntime, or use the exported folder"
        )
    return found or ["paddle"]


def faster(first: Runtime, second: Runtime, images: NDArray[Any]) -> Runtime:
    """Return the runtime that computes a batch in less time: `first`, unless `second` clearly does."""
    seconds = {first: math.inf, second: math.inf}
    for runtime in seconds:
        runtime.scores(images)  # the first call sets much up
    until = time.monotonic() + TRIAL_SECONDS
    for _ in range(TRIALS):
        for runtime, least in seconds.items():
            started = time.perf_counter()
            runtime.scores(images)
            seconds[runtime] = min(least, time.perf_counter() - started)
        if time.monotonic() > until:
            break
    return second if seconds[second] < CLEARLY * seconds[first] else first


def load(engine: EngineName, files: Files, settings: Settings) -> Runtime:
    """Return the runtime of an engine. Raises CheckpointError where the model has no file for it."""
    model = files.model if engine == "paddle" else files.onnx
    if model is None:
        missing, remedy = ("Paddle model", "export it") if engine == "paddle" else ("ONNX file", "--format onnx")
        raise CheckpointError(f"engine: {engine}: there is no {missing}; export with {remedy}, or use another engine")
    return runtimes.load(engine, model, files.weights, settings)


def load_here(engine: EngineName, files: Files, settings: Settings) -> tuple[Runtime, Settings]:
    """Return the runtime, which has no oneDNN where that can't load the model, and its settings."""
    try:
        return load(engine, files, settings), settings
    except RuntimeError as error:
        if engine != "paddle" or settings.device != "cpu" or not settings.onednn:
            raise
        return without_onednn(last_line(error), files, settings)


def without_onednn(problem: str, files: Files, settings: Settings) -> tuple[Runtime, Settings]:
    """Return the runtime and its settings without oneDNN, after a warning that names the problem."""
    settings = replace(settings, onednn=False, precision="float32")
    runtime = load("paddle", files, settings)  # where the fault is another one, it comes again
    logger.warning(f"oneDNN can't run this model ({problem}); continuing without it, which is slower")
    return runtime, settings


def last_line(error: RuntimeError) -> str:
    """Return what Paddle says last, which is what went wrong."""
    return str(error).strip().splitlines()[-1]
