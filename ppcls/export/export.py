"""From trained weights to a folder that predicts without this project's training side."""

import dataclasses
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Optional, Union

import numpy as np
import paddle
from numpy.typing import NDArray
from paddle import nn

import ppcls
from ppcls.config.deploy import PreProcessSection
from ppcls.config.schema import RunConfig
from ppcls.engine import build
from ppcls.engine.engine import Engine
from ppcls.errors import CheckpointError, ConfigError, DataError
from ppcls.export.graph import Features, OfPixels, Scores, static
from ppcls.export.onnx import convert, require_opset, require_size
from ppcls.export.portable import portable
from ppcls.export.verify import compare, compare_on
from ppcls.files import make_folder, move
from ppcls.images import stream
from ppcls.images.decode import Image
from ppcls.images.failures import OneImage
from ppcls.images.pipeline import Pipeline
from ppcls.images.sources import name_of, read_file
from ppcls.inference import artifact
from ppcls.inference.honesty import Honesty
from ppcls.inference.predictor import Predictor
from ppcls.models.weight_files import about
from ppcls.registry import Part


def export(
    engine: Engine,
    *,
    onnx_opset: Optional[int] = None,
    verify: Optional[str] = None,
    calibration: Optional[Honesty] = None,
    postprocess: Optional[Part] = None,
) -> Path:
    """Write the artifact to `Global.save_inference_dir`, after checking that it gives the model's scores or features.

    With an `onnx_opset` that has an ONNX file too. `verify` names images to check all on: a folder or a list.
    `calibration`: how sure the answers are, for the description; `postprocess` stands there for that of the config.
    Raises CheckpointError, having replaced nothing, if they differ.
    """
    engine = engine.deployed()
    config = engine.config
    target = Path(config.Global.save_inference_dir)
    if onnx_opset is not None:
        require_opset(onnx_opset)
    description = dataclasses.replace(_description(engine, postprocess), calibration=calibration)
    pipeline = stream.pipeline(description.transforms)
    # Twice the same: a graph of one image only is no graph of batches.
    images_NHWC = _images(pipeline, config).repeat(2, axis=0)
    _require_shape(pipeline.finish(images_NHWC), config)
    build.load_start_weights(config, engine.model, new_head=False)
    engine.model.eval()
    expected = _answering(engine, engine.model)
    graph = _graph(engine, pipeline)
    if onnx_opset is not None:
        require_size(graph)
    engine.log_to("export.log")
    with _new_folder(target) as folder:
        paddle.jit.save(static(graph, config.Global.image_shape), str(folder / "inference"))
        if not (folder / artifact.MODEL).exists():
            raise ConfigError(
                "export: Paddle wrote its old format; received FLAGS_enable_pir_api="
                f"{os.environ.get('FLAGS_enable_pir_api')} in the environment; unset it"
            )
        if onnx_opset is not None:
            convert(folder, description, onnx_opset)
        artifact.write(folder, description)
        exported = list(_read_back(folder))
        compare(expected, pipeline, exported, images_NHWC)
        if verify is not None:
            compare_on(expected, pipeline, exported, verify)
        make_folder(target, "Global.save_inference_dir")
        # The description last: its checksums fit only when all files are the new ones.
        move((artifact.MODEL, artifact.WEIGHTS, artifact.ONNX, artifact.DESCRIPTION), folder, target)
    return target


def _answering(engine: Engine, model: nn.Layer) -> Union[Scores, Features]:
    """Return the model with what makes answers of its outputs."""
    config = engine.config
    if build.gives_features(config):
        return Features(model, build.compared(config))
    activation = build.postprocess(config).activation
    return Scores(model, "none" if activation == "softmax" and not config.Arch.infer_add_softmax else activation)


def _graph(engine: Engine, pipeline: Pipeline) -> Union[Scores, Features, OfPixels]:
    """Return what is written. Another layer than it is compared with: making that static changes how it computes."""
    answering = _answering(engine, engine.task.deployable())
    graph = OfPixels(answering, pipeline) if engine.config.Global.export_with_preprocess else answering
    graph.eval()
    return graph


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


def _description(engine: Engine, postprocess: Optional[Part]) -> artifact.Artifact:
    config = engine.config
    common = artifact.Artifact(
        artifact.ModelSection(config.model_name, ppcls.__version__, paddle.__version__),
        PreProcessSection(portable(build.eval_transforms(config))),
        input_shape=config.Global.image_shape,
        input_type="uint8" if config.Global.export_with_preprocess else "float32",
        measured=_measured(config),
    )
    if build.gives_features(config):
        return dataclasses.replace(common, output="features")
    given = postprocess or config.Infer.PostProcess or Part("Topk")
    # The names travel in the description; a path would mean nothing elsewhere.
    part = Part(given.name, {k: v for k, v in given.args.items() if k not in ("class_id_map_file", "delimiter")})
    topk = artifact.TopkSection(part.args.get("topk", 5), tuple(build.postprocess(config).label_names))
    return dataclasses.replace(
        common,
        PostProcess=artifact.PostProcessSection(Topk=topk),
        class_num=config.class_num,
        main=None if part.name == "Topk" else part,
    )


def _measured(config: RunConfig) -> Mapping[str, float]:
    """Return the results of the evaluation that was saved with the weights."""
    weights = config.Global.pretrained_model
    results = about(weights).get("results") if weights else None
    return {name: round(float(value), 5) for name, value in (results or {}).items()}


def _images(pipeline: Pipeline, config: RunConfig) -> Image:
    """Return the image to compare on, uint8 [1, H, W, 3]: the first of `Infer.infer_imgs` that is there, or noise."""
    rng = np.random.default_rng(0)
    given = config.Infer.infer_imgs or ()
    there = [path for path in ([given] if isinstance(given, str) else given) if Path(path).exists()]
    if not there:
        return pipeline.sample(stream.noise(*config.Global.image_shape[1:]), rng)[None]
    first = next(stream.find(there))
    try:
        with OneImage():
            return pipeline.sample(read_file(first), rng)[None]
    except DataError as error:
        raise DataError(f"{name_of(first)}: {error}") from error


def _require_shape(images_NCHW: NDArray[np.floating[Any]], config: RunConfig) -> None:
    if images_NCHW.shape[1:] != config.Global.image_shape:
        raise ConfigError(
            f"{config.source}: Global.image_shape: {list(config.Global.image_shape)}; the transforms "
            f"give {list(images_NCHW.shape[1:])}; make the two equal"
        )


def _read_back(folder: Path) -> Iterator[Predictor]:
    """Yield what runs each of the files that were written."""
    try:
        yield Predictor(folder, engine="paddle")
    except RuntimeError as error:  # Paddle does not look whether it could write all
        reason = str(error).strip().splitlines()[0]
        raise CheckpointError(
            f"Global.save_inference_dir: what was written can't be read back ({reason}); see if the disk is full"
        ) from error
    if (folder / artifact.ONNX).exists():
        yield Predictor(folder / artifact.ONNX, engine="onnxruntime")
