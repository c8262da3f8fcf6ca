"""An exported model, ready to predict: images in, typed answers out."""

import copy
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Callable, Optional, TypeVar, Union

import numpy as np
from numpy.typing import NDArray

from ppcls import environment
from ppcls.config.deploy import DeployConfig
from ppcls.config.load import load_deploy_config
from ppcls.errors import CheckpointError, ConfigError, DataError
from ppcls.images import stream
from ppcls.images.decode import Image
from ppcls.images.pipeline import Pipeline
from ppcls.images.sources import Source, name_of
from ppcls.images.stream import Prepared
from ppcls.inference import artifact, choosing, engines
from ppcls.inference.artifact import Artifact, Files
from ppcls.inference.postprocess import PostProcess, Prediction, Topk
from ppcls.inference.runtimes import EngineName, Precision, Runtime, Settings
from ppcls.inference.runtimes.mirrored import Mirrored
from ppcls.inference.timing import Times, no_times

logger = logging.getLogger("ppcls")

Answer = TypeVar("Answer")

# Largest difference of a score between bfloat16 and float32 that the self-check lets pass.
BFLOAT16_TOLERANCE = 0.05


@dataclass(frozen=True)
class Outcome:
    """What became of one image: a prediction, or, where it could not be used, the problem."""

    source: Any  # as it was given; of a folder or list, the path that was found
    prediction: Optional[Prediction]
    problem: str = ""


@dataclass(frozen=True)
class Embedding:
    """What became of one image: features float32 [D], or, where it could not be used, the problem."""

    source: Any
    features: Optional[NDArray[np.float32]]
    problem: str = ""


class Predictor:
    """An exported folder or an `.onnx` file, with its preprocessing and its labels.

    `device`: `cpu`, `gpu`, `xpu` or the name of a plug-in device such as `sdaa`. `threads`: of the CPU; None: its
    physical cores. `precision`: float16 needs a GPU; bfloat16 the CPU, and where that lacks it, a warning says so and
    float32 is computed. `engine`: None takes, for a folder with an ONNX file on the CPU, OpenVINO or ONNX Runtime, if
    they are installed, and of both the faster one; else Paddle Inference. `about` says what computes, in which
    precision. `deploy`: a deploy YAML (or what it was read into) whose PreProcess and PostProcess replace the model's
    own. `onednn` and `optimise` switch off kernels and graph passes of Paddle. `gpu_mem_mib`: first size of the memory
    pool on a GPU. `profile`: print a table of operators at the end. `isolated`: compute in a process of its own; Paddle
    Inference would stop all threads of this one meanwhile.

    One thread at a time may use it; `clone` makes more. Raises CheckpointError for a damaged folder, ConfigError for
    a description that can't be, DeviceError for a device, engine or precision that is not there.
    """

    def __init__(
        self,
        model: Union[str, Path],
        *,
        device: str = "cpu",
        threads: Optional[int] = None,
        precision: Precision = "float32",
        engine: Optional[EngineName] = None,
        deploy: Union[str, Path, DeployConfig, None] = None,
        onednn: bool = True,
        optimise: bool = True,
        tensorrt: bool = False,
        gpu_mem_mib: int = 8000,
        profile: bool = False,
        isolated: bool = False,
        tta: bool = False,
    ) -> None:
        if threads is not None and threads < 1:
            raise ConfigError(f"threads: must be at least 1; received {threads}; omit it for all physical cores")
        files = artifact.files_of(Path(model))
        threads = threads or environment.physical_cores()
        settings = Settings(device, threads, precision, onednn, optimise, tensorrt, gpu_mem_mib, profile, isolated)
        if not isinstance(deploy, DeployConfig):
            deploy = DeployConfig() if deploy is None else load_deploy_config(str(deploy))
        settings = engines.computable(files, settings, engine)
        chosen, *others = [engine] if engine else engines.candidates(files, settings)
        runtime, settings = engines.load_here(chosen, files, settings)
        self.artifact = _description(Path(model), runtime.description)
        if self.artifact.output == "features" and (tta or deploy.PostProcess is not None):
            key = "Global.tta" if tta else "PostProcess"
            raise ConfigError(f"{deploy.source or model}: {key}: is for scores of classes, not for features; remove it")
        self.pipeline = _pipeline(self.artifact, deploy, model)
        self.input_shape = self.artifact.input_shape or _shape_of_input(self.pipeline)
        self._runtime = self._checked(runtime, chosen, files, settings)
        for other in others:
            self._runtime = engines.faster(self._runtime, engines.load(other, files, settings), self._probe())
        if tta:
            self._runtime = Mirrored(self._runtime, 2 if self.artifact.input_type == "uint8" else 3)
        self.class_num = int(self._runtime.scores(self._probe()).shape[1])
        self._postprocess = (
            choosing.postprocess(self.artifact, deploy, self.class_num) if self.artifact.output == "scores" else None
        )

    @property
    def postprocess(self) -> PostProcess:
        """What makes predictions of scores. Raises ConfigError for a model that gives features."""
        if self._postprocess is None:
            raise ConfigError(
                f"{self.artifact.Global.model_name}: gives features, not scores of classes; use `ppcls embed`"
            )
        return self._postprocess

    @property
    def about(self) -> str:
        """What computes, in words."""
        return self._runtime.about

    def predict(
        self, source: Union[Source, Iterable[Source]], *, batch_size: int = 8, topk: Optional[int] = None
    ) -> list[Prediction]:
        """Predict an image, a folder, a `.txt` list, or several of these.

        An image is a path, the bytes of a file (also bytearray or memoryview), an open file, an array uint8 (RGB
        [H, W, 3], RGBA [H, W, 4], grey [H, W] or [H, W, 1]), or an image of Pillow.
        Raises DataError for the first image that can't be used.
        """
        predictions = []
        for outcome in self.stream(source, batch_size=batch_size, topk=topk):
            if outcome.prediction is None:
                raise DataError(f"{name_of(outcome.source)}: {outcome.problem}")
            predictions.append(outcome.prediction)
        return predictions

    def stream(
        self,
        sources: Union[Source, Iterable[Source]],
        *,
        batch_size: int = 8,
        topk: Optional[int] = None,
        times: Times = no_times,
    ) -> Iterator[Outcome]:
        """Yield what becomes of each image, in their order; they are read one by one, so that there may be any number.

        Threads decode the images of the next batches meanwhile; Paddle Inference stops them while it computes.
        """
        postprocess = self.postprocess_for(topk)
        todo = stream.spread(sources)
        for batch in stream.batches(todo, self.pipeline, batch_size, input_shape=self.input_shape):
            answers = iter(self._answers(batch, postprocess, times))
            for one in batch:
                yield Outcome(one.source, None if one.image is None else next(answers), one.problem)

    def embed(
        self, sources: Union[Source, Iterable[Source]], *, batch_size: int = 8, times: Times = no_times
    ) -> Iterator[Embedding]:
        """Yield the features of each image as `stream` does predictions. Raises ConfigError where it gives scores."""
        if self.artifact.output != "features":
            raise ConfigError(
                f"{self.artifact.Global.model_name}: gives scores of classes, not features; export a RecModel"
            )
        todo = stream.spread(sources)
        for batch in stream.batches(todo, self.pipeline, batch_size, input_shape=self.input_shape):
            rows = iter(self._answers(batch, list, times))
            for one in batch:
                yield Embedding(one.source, None if one.image is None else next(rows), one.problem)

    def _answers(
        self, batch: Sequence[Prepared], postprocess: Callable[[NDArray[np.float32]], list[Answer]], times: Times
    ) -> list[Answer]:
        images = [one.image for one in batch if one.image is not None]
        if not images:
            return []
        times.add("decode", sum(one.decode_seconds for one in batch))
        with times.measure("preprocess", sum(one.transform_seconds for one in batch)):
            finished = self.finish(np.stack(images))
        with times.measure("run"):
            scores = self.scores(finished)
        with times.measure("postprocess"):
            return postprocess(scores)

    def postprocess_for(self, topk: Optional[int]) -> PostProcess:
        """Return what gives the `topk` best classes; None: what the model, or the deploy YAML, asks for."""
        if topk is None:
            return self.postprocess
        return choosing.honest(Topk(self.postprocess.label_names, self.class_num, topk=topk), self.artifact)

    def finish(self, images_NHWC: Image) -> NDArray[Any]:
        """Return the model's input made of uint8 images [N, H, W, 3], which `pipeline.sample` made."""
        return images_NHWC if self.artifact.input_type == "uint8" else self.pipeline.finish(images_NHWC)

    def scores(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """Return the scores, or the features, float32 [N, class_num] of finished images, float32 [N, C, H, W].

        (uint8 [N, H, W, C] for a model that normalizes by itself.) Raises DataError for images of another size.
        """
        channels, height, width = self.input_shape
        expected = [height, width, channels] if self.artifact.input_type == "uint8" else [channels, height, width]
        if list(images.shape[1:]) != expected:
            raise DataError(
                f"the model takes images [N, {', '.join(map(str, expected))}]; "
                f"received {list(images.shape)}; correct or remove the transforms that replace the model's own"
            )
        return self._runtime.scores(images)

    def clone(self) -> "Predictor":
        """Return a predictor for another thread, which shares the weights."""
        twin = copy.copy(self)
        twin._runtime = self._runtime.clone()
        return twin

    def _probe(self) -> NDArray[Any]:
        """Return an input of one image: blocks of noise."""
        image = stream.noise(*self.input_shape[1:])
        return self.finish(self.pipeline.sample(image, np.random.default_rng(0))[None])

    def _checked(self, runtime: Runtime, engine: EngineName, files: Files, settings: Settings) -> Runtime:
        """Return the runtime if it computes what it must, and otherwise, after a warning, one that does."""
        if engine == "paddle" and settings.device == "cpu" and settings.onednn:
            problem = _problem(runtime, self._probe())
            if problem:
                return engines.without_onednn(problem, files, settings)[0]
        if settings.precision == "bfloat16":
            exact = engines.load(engine, files, replace(settings, precision="float32"))
            difference = float(np.abs(exact.scores(self._probe()) - runtime.scores(self._probe())).max())
            if not 0 < difference <= BFLOAT16_TOLERANCE:
                change = f"a score by {difference:.2g}" if difference else "no score, as if it were not computed"
                logger.warning(f"bfloat16 changes {change}; computing in float32")
                return exact
        return runtime


def _problem(runtime: Runtime, images: NDArray[Any]) -> str:
    try:
        with environment.stdout_as_stderr():  # Paddle 3.3 prints "ReduceMeanCheckIfOneDNNSupport" at the first run
            scores = runtime.scores(images)
    except RuntimeError as error:
        return engines.last_line(error)
    return "" if np.isfinite(scores).all() else "its scores are not finite"


def _description(model: Path, carried: Optional[str]) -> Artifact:
    """Return the description beside the model, or the one that an ONNX file carries."""
    if model.is_dir():
        return artifact.read(model)
    if carried is None:
        return Artifact(artifact.ModelSection(model.stem))
    return replace(artifact.parse_text(carried, str(model)), sha256={})


def _pipeline(about: Artifact, deploy: DeployConfig, model: Union[str, Path]) -> Pipeline:
    """Return the model's own pipeline, or the deploy YAML's, with a warning where it gives other images."""
    override = deploy.PreProcess.transform_ops
    if not (override or about.transforms):
        raise CheckpointError(
            f"'{model}' has no {artifact.DESCRIPTION} with its preprocessing; give the folder that "
            "tools/export_model.py wrote, or a deploy YAML that has PreProcess"
        )
    if not override:
        return stream.pipeline(about.transforms)
    theirs = stream.pipeline(override)
    if about.transforms:
        ours = stream.pipeline(about.transforms)
        image, rng = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype="uint8"), np.random.default_rng
        one, other = (it.finish(it.sample(image, rng(0))[None]) for it in (ours, theirs))
        if one.shape != other.shape:
            raise ConfigError(
                f"{deploy.source}: PreProcess: gives images {list(other.shape[1:])}; the model takes "
                f"{list(one.shape[1:])}; correct the section, or remove it (-o PreProcess=None)"
            )
        if not np.allclose(one, other, atol=1e-3):
            logger.warning(
                f"{deploy.source}: PreProcess gives other images than the transforms that the model was exported "
                "with; remove the section to use those"
            )
    return theirs


def _shape_of_input(pipeline: Pipeline) -> tuple[int, int, int]:
    image = stream.noise(512, 512)
    _, channels, height, width = pipeline.finish(pipeline.sample(image, np.random.default_rng(0))[None]).shape
    return channels, height, width
