"""From trained weights to a folder that predicts without this project's training side."""

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import paddle
from paddle import nn
from paddle.nn import functional as F
from paddle.static import InputSpec

import ppcls
from ppcls import artifact, pictures
from ppcls.config.schema import PreProcessSection, RunConfig
from ppcls.engine import build
from ppcls.engine.engine import Engine
from ppcls.errors import CheckpointError, ConfigError, DataError
from ppcls.files import make_folder
from ppcls.predictor import Predictor
from ppcls.transforms.compose import Pipeline

logger = logging.getLogger("ppcls")

# Largest difference of a score between the trained model and the exported one: rounding of other kernels.
TOLERANCE = 1e-4


class Scores(nn.Layer):
    """The model with a softmax at its end: class scores that add up to 1."""

    def __init__(self, model: nn.Layer) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return F.softmax(self.model(x), axis=-1)


def export(engine: Engine) -> Path:
    """Write the artifact to `Global.save_inference_dir`, after checking that it gives the model's scores.

    Raises CheckpointError, having replaced nothing, if it does not.
    """
    config = engine.config
    target = Path(config.Global.save_inference_dir)
    description = _description(config)
    images_NCHW = _images(pictures.pipeline(description.transforms), config)
    _require_shape(images_NCHW, config)
    build.load_start_weights(config, engine.model, new_head=False)
    engine.log_to("export.log")
    scores = Scores(engine.model)
    scores.eval()
    with paddle.no_grad():
        expected = scores(paddle.to_tensor(images_NCHW)).numpy()
    with _new_folder(target) as folder:
        spec = [InputSpec([None, *config.Global.image_shape], "float32", "x")]
        paddle.jit.save(paddle.jit.to_static(scores, input_spec=spec, full_graph=True), str(folder / "inference"))
        artifact.write(folder, description)
        exported = _read_back(folder)
        _compare(expected, exported.scores(_images(exported.pipeline, config)))
        make_folder(target, "Global.save_inference_dir")
        # The description last: its checksums fit only when all files are the new ones.
        for name in (artifact.MODEL, artifact.WEIGHTS, artifact.DESCRIPTION):
            os.replace(folder / name, target / name)
    logger.info(
        f'Export succeeded! The inference model exported has been saved in "{config.Global.save_inference_dir}".'
    )
    return target


@contextmanager
def _new_folder(target: Path) -> Iterator[Path]:
    """Make a temporary folder beside `target`, on the same disk; raise CheckpointError if it can't be written."""
    make_folder(target.parent, "Global.save_inference_dir")
    try:
        with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as folder:
            yield Path(folder)
    except OSError as error:
        raise CheckpointError(
            f"Global.save_inference_dir: can't write '{target}'; {error.strerror}; free space or give another folder"
        ) from error


def _description(config: RunConfig) -> artifact.Artifact:
    postprocess = build.postprocess(config)
    return artifact.Artifact(
        artifact.ModelSection(config.Arch.name, ppcls.__version__, paddle.__version__),
        PreProcessSection(tuple(build.eval_transforms(config))),
        artifact.PostProcessSection(artifact.TopkSection(postprocess.topk, tuple(postprocess.label_names))),
        input_shape=config.Global.image_shape,
        class_num=config.class_num,
    )


def _images(pipeline: Pipeline, config: RunConfig) -> np.ndarray:
    """Return the image to compare on: of the first of `Infer.infer_imgs`, or of noise where those are not there."""
    rng = np.random.default_rng(0)
    given = config.Infer.infer_imgs or ()
    there = [path for path in ([given] if isinstance(given, str) else given) if Path(path).exists()]
    if not there:
        blocks = rng.integers(0, 256, (16, 16, 3), dtype="uint8")
        return pipeline.finish(pipeline.sample(blocks.repeat(32, axis=0).repeat(32, axis=1), rng)[None])
    first = pictures.find(there)[0]
    try:
        return pipeline.finish(pipeline.sample(first.read_bytes(), rng)[None])
    except DataError as error:
        raise DataError(f"{first}: {error}") from error


def _require_shape(images_NCHW: np.ndarray, config: RunConfig) -> None:
    if images_NCHW.shape[1:] != config.Global.image_shape:
        raise ConfigError(
            f"{config.source}: Global.image_shape: {list(config.Global.image_shape)}; the transforms "
            f"give {list(images_NCHW.shape[1:])}; make the two equal"
        )


def _read_back(folder: Path) -> Predictor:
    try:
        return Predictor(folder)
    except RuntimeError as error:  # Paddle does not look whether it could write all
        reason = str(error).strip().splitlines()[0]
        raise CheckpointError(
            f"Global.save_inference_dir: what was written can't be read back ({reason}); see if the disk is full"
        ) from error


def _compare(expected: np.ndarray, found: np.ndarray) -> None:
    difference = float(np.abs(expected - found).max())
    if not difference <= TOLERANCE:
        raise CheckpointError(
            f"export: the exported model gives other scores than the trained one (by {difference:.2g}); "
            "nothing was written; report it with the config"
        )
