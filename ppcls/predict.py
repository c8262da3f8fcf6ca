"""The command of `deploy/python/predict_cls.py`: predictions of an exported model, a line for each picture."""

import contextlib
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from prettytable import PrettyTable

from ppcls import device, environment, pictures
from ppcls.config import DeployConfig, Part, load_deploy_config
from ppcls.errors import ConfigError
from ppcls.files import make_folder
from ppcls.postprocess import Prediction, Topk
from ppcls.predictor import Predictor
from ppcls.registry import POSTPROCESSES
from ppcls.transforms.compose import Pipeline

Item = TypeVar("Item")


def run(config_path: str, overrides: Sequence[str]) -> int:
    """Predict what the deploy YAML says; return 1 if a picture could not be read, else 0."""
    config = load_deploy_config(config_path, overrides)
    settings = config.Global
    predictor = _predictor(config)
    postprocess = _postprocess(config, predictor)
    found = pictures.find(config.require("Global.infer_imgs", "predict"))
    todo = pictures.Pictures(found, _pipeline(config, predictor), batch_size=settings.batch_size)
    times = Times()
    for paths, images_NCHW in times.each("preprocess", todo.batches()):
        with times.measure("inference"):
            scores = predictor.scores(images_NCHW)
        with times.measure("postprocess"):
            predictions = postprocess(scores)
        for path, prediction in zip(paths, predictions):
            print(prediction.line(path.name))
            _save(config, path, prediction)
    if settings.enable_benchmark:
        print(times.table(len(found) - len(todo.failed)))
    for message in todo.failed:
        print(message, file=sys.stderr)
    return 1 if todo.failed else 0


class Times:
    """How long the phases of each batch took."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}

    @contextlib.contextmanager
    def measure(self, phase: str) -> Iterator[None]:
        """Add what the `with` block takes."""
        started = time.perf_counter()
        yield
        self.seconds.setdefault(phase, []).append(time.perf_counter() - started)

    def each(self, phase: str, items: Iterator[Item]) -> Iterator[Item]:
        """Yield the items, and add what it takes to get each one."""
        while True:
            started = time.perf_counter()
            item = next(items, None)
            if item is None:
                return
            self.seconds.setdefault(phase, []).append(time.perf_counter() - started)
            yield item

    def table(self, num_images: int) -> str:
        """Return the percentiles of each phase in milliseconds a batch, and images/s of all phases together."""
        table = PrettyTable(["phase", "p50 ms", "p90 ms", "p99 ms"], align="r")
        for phase, seconds in self.seconds.items():
            table.add_row([phase, *(f"{1000 * value:.2f}" for value in np.percentile(seconds, [50, 90, 99]))])
        total = sum(map(sum, self.seconds.values()))
        return f"{table}\n{num_images} pictures, {num_images / total:.1f} images/s"


def _predictor(config: DeployConfig) -> Predictor:
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
        threads=settings.cpu_num_threads or environment.physical_cores(),
        precision="float16" if settings.use_fp16 else "float32",
        onednn=settings.enable_mkldnn,
        optimise=settings.ir_optim,
        tensorrt=settings.use_tensorrt,
        gpu_mem_mib=settings.gpu_mem,
        profile=settings.enable_profile,
    )


def _pipeline(config: DeployConfig, predictor: Predictor) -> Pipeline:
    """Return the artifact's own pipeline, or the deploy YAML's, with a warning where it gives other images."""
    parts: Sequence[Part] = config.PreProcess.transform_ops
    if not parts:
        return predictor.pipeline
    override = pictures.pipeline(parts)
    picture = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype="uint8")
    ours, theirs = (
        pipeline.finish(pipeline.sample(picture, np.random.default_rng(0))[None])
        for pipeline in (predictor.pipeline, override)
    )
    if ours.shape != theirs.shape:
        raise ConfigError(
            f"{config.source}: PreProcess: gives images {list(theirs.shape[1:])}; the model takes "
            f"{list(ours.shape[1:])}; correct the section, or remove it"
        )
    if not np.allclose(ours, theirs, atol=1e-3):
        print(
            f"{config.source}: PreProcess gives other images than the transforms that the model was exported "
            "with; remove the section to use those",
            file=sys.stderr,
        )
    return override


def _postprocess(config: DeployConfig, predictor: Predictor) -> Topk:
    exported = predictor.artifact.PostProcess.Topk
    part = config.PostProcess.Topk if config.PostProcess else Part("Topk", {"topk": exported.topk})
    built: Topk = POSTPROCESSES.build(part, exported.label_list, predictor.artifact.class_num)
    return built


def _save(config: DeployConfig, path: Path, prediction: Prediction) -> None:
    """Copy the picture into the folder of its class, where SavePreLabel asks for it."""
    if config.PostProcess is None or config.PostProcess.SavePreLabel is None:
        return
    folder = Path(config.PostProcess.SavePreLabel.save_dir) / str(prediction.class_ids[0])
    make_folder(folder, "PostProcess.SavePreLabel.save_dir")
    shutil.copy2(path, folder / path.name)
