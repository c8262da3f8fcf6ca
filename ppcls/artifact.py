"""The exported model's folder: `inference.json`, `inference.pdiparams` and `inference.yml`.

The last one is a YAML that says all that a predictor needs: preprocessing, labels, shapes and checksums.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ppcls.config.faults import Faults
from ppcls.config.load import listed
from ppcls.config.parse import parse
from ppcls.config.parts import Part, key, required
from ppcls.config.read import read_config
from ppcls.config.schema import PreProcessSection
from ppcls.errors import CheckpointError
from ppcls.files import sha256_of, write_text

DESCRIPTION = "inference.yml"
MODEL, WEIGHTS = "inference.json", "inference.pdiparams"


@dataclass(frozen=True)
class ModelSection:
    """Which model it is."""

    model_name: str = required("name of the architecture")
    ppcls: str = required("version of ppcls that exported it")
    paddle: str = required("version of Paddle that exported it")


@dataclass(frozen=True)
class TopkSection:
    """How scores become answers unless the deploy YAML says otherwise."""

    topk: int = key(5, "how many classes are answered")
    label_list: tuple[str, ...] = key((), "names by class id; empty: unknown")


@dataclass(frozen=True)
class PostProcessSection:
    """Scores to answers."""

    Topk: TopkSection = key(TopkSection(), "the best classes")


@dataclass(frozen=True)
class Artifact:
    """What `inference.yml` says. Input: float32 `x` [N, *input_shape]; output: softmax scores [N, class_num]."""

    Global: ModelSection = required("the model")
    PreProcess: PreProcessSection = required("from a picture file to the input")
    PostProcess: PostProcessSection = key(PostProcessSection(), "scores to answers")
    input_shape: tuple[int, int, int] = key((3, 224, 224), "channels, height, width")
    class_num: int = key(1000, "number of classes")
    sha256: Mapping[str, str] = field(default_factory=dict, metadata={"doc": "of the files of the model"})

    @property
    def transforms(self) -> tuple[Part, ...]:
        return self.PreProcess.transform_ops


def write(folder: Path, artifact: Artifact) -> None:
    """Write `inference.yml` beside the model's two files, with their checksums."""
    content: dict[str, Any] = {
        "Global": {
            "model_name": artifact.Global.model_name,
            "ppcls": artifact.Global.ppcls,
            "paddle": artifact.Global.paddle,
        },
        "PreProcess": {"transform_ops": [listed(part) for part in artifact.transforms]},
        "PostProcess": {
            "Topk": {
                "topk": artifact.PostProcess.Topk.topk,
                "label_list": list(artifact.PostProcess.Topk.label_list),
            }
        },
        "input_shape": list(artifact.input_shape),
        "class_num": artifact.class_num,
        "sha256": {name: sha256_of(folder / name) for name in (MODEL, WEIGHTS)},
    }
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100)
    write_text(folder / DESCRIPTION, text)


def read(folder: Path) -> Artifact:
    """Read and check an exported model's folder. Raises CheckpointError (a file is missing or damaged)."""
    for name in (DESCRIPTION, MODEL, WEIGHTS):
        if not (folder / name).is_file():
            raise CheckpointError(
                f"inference_model_dir: '{folder}' has no {name}; give the folder that tools/export_model.py wrote"
            )
    faults = Faults()
    artifact: Artifact = parse(read_config(str(folder / DESCRIPTION), (), faults), Artifact, "", faults)
    faults.raise_if_any()
    names = artifact.PostProcess.Topk.label_list
    if names and len(names) != artifact.class_num:
        raise CheckpointError(
            f"{folder / DESCRIPTION}: label_list: {artifact.class_num} classes; received {len(names)} names; export it"
        )
    for name, expected in artifact.sha256.items():
        if sha256_of(folder / name) != expected:
            raise CheckpointError(f"'{folder / name}': is damaged (its checksum does not fit); export it again")
    return artifact
