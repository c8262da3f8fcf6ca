"""The exported model's folder: `inference.json`, `inference.pdiparams`, `inference.yml`, and maybe `inference.onnx`.

`inference.yml` says all that a predictor needs: preprocessing, labels, shapes and checksums. An ONNX file carries
it in its metadata. Its first three sections are in PaddleX's form, so that PaddleX runs these folders; those of
PaddleX and PaddleClas, whose `inference.yml` says less or is missing, are read as well.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

from ppcls.config import dialect, rewrite
from ppcls.config.deploy import Indicated, PreProcessSection
from ppcls.config.faults import Faults, Where
from ppcls.config.load import dump, listed
from ppcls.config.parse import parse
from ppcls.config.parts import key, required
from ppcls.config.read import Node, compose, read_config
from ppcls.errors import CheckpointError
from ppcls.files import sha256_of, write_text
from ppcls.inference import POSTPROCESSES
from ppcls.inference.honesty import Honesty
from ppcls.registry import Part

DESCRIPTION = "inference.yml"
MODEL, WEIGHTS, ONNX = "inference.json", "inference.pdiparams", "inference.onnx"
OLD_MODEL = "inference.pdmodel"
# The post-processes that PaddleX has for images' classes.
OF_PADDLEX = ("Topk", "MultiLabelThreshOutput")


@dataclass(frozen=True)
class ModelSection:
    """Which model it is."""

    model_name: str = required("name of the architecture")
    ppcls: str = key("", "version of ppcls that exported it")
    paddle: str = key("", "version of Paddle that exported it")


@dataclass(frozen=True)
class TopkSection:
    """How scores become answers unless the deploy YAML says otherwise."""

    topk: int = key(5, "how many classes are answered")
    label_list: tuple[str, ...] = key((), "names by class id; empty: unknown")


@dataclass(frozen=True)
class PostProcessSection(Indicated):
    """Scores to answers."""

    Topk: TopkSection = key(TopkSection(), "the best classes; its names serve the others too")


@dataclass(frozen=True)
class Artifact:
    """What `inference.yml` says. Input: `x` [N, *input_shape]; output: scores [N, class_num] or features."""

    Global: ModelSection = required("the model")
    PreProcess: PreProcessSection = key(PreProcessSection(), "from an image file to the input")
    PostProcess: PostProcessSection = key(PostProcessSection(), "scores to answers")
    input_shape: Optional[tuple[int, int, int]] = key(None, "channels, height, width; unset: the model knows")
    input_type: Literal["float32", "uint8"] = key(
        "float32", "float32: finished images, NCHW; uint8: images before NormalizeImage, NHWC"
    )
    output: Literal["scores", "features"] = key("scores", "scores of classes, or features to compare by products")
    class_num: Optional[int] = key(None, "number of classes; unset: the model knows")
    main: Optional[Annotated[Part, POSTPROCESSES]] = key(None, "the post-process that is meant, if PaddleX has none so")
    calibration: Optional[Honesty] = key(None, "how sure an answer is; unset: it was not calibrated")
    measured: Mapping[str, float] = field(default_factory=dict, metadata={"doc": "accuracy on the evaluation set"})
    sha256: Mapping[str, str] = field(default_factory=dict, metadata={"doc": "of the files of the model"})
    Hpi: Mapping[str, Any] = field(default_factory=dict, metadata={"doc": "of PaddleX; ignored"})

    @property
    def postprocess(self) -> Part:
        """The post-process that is meant."""
        section = self.PostProcess
        if self.main is not None:
            return self.main
        if section.main_indicator == "Topk":
            return Part("Topk", {"topk": section.Topk.topk})
        part: Optional[Part] = getattr(section, section.main_indicator)
        return part or Part(section.main_indicator)

    @property
    def transforms(self) -> tuple[Part, ...]:
        return self.PreProcess.transform_ops


@dataclass(frozen=True)
class Files:
    """Where the parts of an exported model are; None for what it doesn't have."""

    model: Optional[Path] = None
    weights: Optional[Path] = None
    onnx: Optional[Path] = None
    description: Optional[Path] = None


def files_of(path: Path) -> Files:
    """Return what there is at `path`: an exported folder, or one `.onnx` file. Raises CheckpointError."""
    if path.suffix == ".onnx" and path.is_file():
        return Files(onnx=path)
    if not path.exists():
        raise CheckpointError(
            f"inference_model_dir, --model: '{path}' does not exist; give the folder that `ppcls export` wrote"
        )
    there = {name: path / name for name in (MODEL, OLD_MODEL, WEIGHTS, ONNX, DESCRIPTION) if (path / name).is_file()}
    model = there.get(MODEL, there.get(OLD_MODEL))
    wanted = ((DESCRIPTION, DESCRIPTION in there), (MODEL, model is not None), (WEIGHTS, WEIGHTS in there))
    missing = [name for name, found in wanted if not found]
    if ONNX not in there and (MODEL in missing or WEIGHTS in missing):
        inside = path / "inference"  # as `ppcls train FOLDER` has it in that of its run
        known = f"'{inside}'" if (inside / DESCRIPTION).is_file() else "the folder that tools/export_model.py wrote"
        raise CheckpointError(f"inference_model_dir: '{path}' has no {missing[0]}; give {known}")
    return Files(model if WEIGHTS in there else None, there.get(WEIGHTS), there.get(ONNX), there.get(DESCRIPTION))


def text(artifact: Artifact) -> str:
    """Return the description as YAML; `parse_text` reads it back."""
    names = list(artifact.PostProcess.Topk.label_list)
    part = artifact.postprocess
    known = part if part.name in OF_PADDLEX else Part("Topk", {"topk": artifact.PostProcess.Topk.topk})
    content: dict[str, Any] = {
        "Global": dataclasses.asdict(artifact.Global),
        "PreProcess": {"transform_ops": [listed(part) for part in artifact.transforms]},
        "PostProcess": {known.name: {**known.args, "label_list": names}},
        "input_shape": None if artifact.input_shape is None else list(artifact.input_shape),
        "input_type": artifact.input_type,
        "class_num": artifact.class_num,
        "measured": dict(artifact.measured),
        "sha256": dict(artifact.sha256),
    }
    if artifact.output == "features":
        content["output"] = artifact.output
        del content["PostProcess"], content["class_num"]
    if known is not part:
        content["main"] = {"name": part.name, **part.args}
    if artifact.calibration is not None:
        content["calibration"] = dataclasses.asdict(artifact.calibration)
    return dump(content)


def parse_text(content: str, source: str) -> Artifact:
    """Return the description in a YAML text; `source` is where it comes from, for messages. Raises ConfigError."""
    return _parsed(compose(content, lambda line: Where(source, line)), Faults())


def _parsed(root: Node, faults: Faults) -> Artifact:
    artifact: Artifact = parse(rewrite.apply(dialect.ARTIFACT_RULES, root)[0], Artifact, "", faults)
    faults.raise_if_any()
    return artifact


def write(folder: Path, artifact: Artifact) -> None:
    """Write `inference.yml` beside the model's files, with their checksums."""
    sums = {name: sha256_of(folder / name) for name in (MODEL, WEIGHTS, ONNX) if (folder / name).is_file()}
    write_text(folder / DESCRIPTION, text(dataclasses.replace(artifact, sha256=sums)))


def read(folder: Path) -> Artifact:
    """Read and check the description in an exported model's folder.

    A folder without one gives a description that says nothing but the folder's name. Raises CheckpointError (a file
    is missing or damaged).
    """
    files = files_of(folder)
    if files.description is None:
        return Artifact(ModelSection(folder.resolve().name))
    faults = Faults()
    artifact = _parsed(read_config(str(files.description), (), faults), faults)
    names = artifact.PostProcess.Topk.label_list
    if names and artifact.class_num not in (None, len(names)):
        raise CheckpointError(
            f"{files.description}: label_list: {artifact.class_num} classes; received {len(names)} names; export it"
        )
    for name, expected in artifact.sha256.items():
        if not (folder / name).is_file() or sha256_of(folder / name) != expected:
            raise CheckpointError(f"'{folder / name}': is damaged (its checksum does not fit); export it again")
    return artifact
