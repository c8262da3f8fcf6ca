"""Models in folders: `config.yaml`, and `model.pdparams` with `model.pdstates` beside."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Optional, Union

import numpy as np
import paddle
from paddle import nn

from ppcls import pdparams
from ppcls.api import ridge
from ppcls.config import dump_config, load_config
from ppcls.config.schema import RunConfig
from ppcls.engine.state import weights_of
from ppcls.errors import CheckpointError, did_you_mean
from ppcls.export.by_name import options_of
from ppcls.files import make_folder, sha256_of, write_text
from ppcls.inference.artifact import DESCRIPTION
from ppcls.models import ARCHITECTURES
from ppcls.recipes.recipe import CONFIG
from ppcls.report.sources import config_at

MODEL, STATISTICS = "model", "statistics.npz"


def write(folder: Path, config: RunConfig, network: nn.Layer, class_names: Sequence[str], **facts: Any) -> Path:
    """Write a model; its `config.yaml` is left alone where there is one. Raises CheckpointError."""
    make_folder(folder, "folder")
    weights, states = folder / f"{MODEL}.pdparams", folder / f"{MODEL}.pdstates"
    states.unlink(missing_ok=True)  # it must never be beside the weights of another
    pdparams.write(weights, weights_of(network))
    names = {"label_names": list(class_names), "class_num": len(class_names)}
    pdparams.write(states, {**facts, **names, "sha256": {".pdparams": sha256_of(weights)}})
    if not (folder / CONFIG).exists():
        write_text(folder / CONFIG, dump_config(config))
    return folder


def config_of(path_or_name: Union[str, Path]) -> RunConfig:
    """Return the config of a stored model, or of an architecture by its name, that names the weights to use."""
    folder = Path(path_or_name)
    if (folder / CONFIG).is_file():
        return config_at(folder)
    if (folder / DESCRIPTION).is_file():
        raise CheckpointError(f"{folder}: is an export, which predicts alone; use ppcls.Predictor('{folder}')")
    name = str(path_or_name)
    if folder.exists() or name not in ARCHITECTURES:
        hint = did_you_mean(name, ARCHITECTURES.names())
        raise CheckpointError(f"{name}: is no folder of a run and no architecture{hint}")
    return named(ARCHITECTURES.resolve(name), pretrained=True)


def named(name: str, *, pretrained: bool) -> RunConfig:
    """Return the config of an architecture as its official weights were evaluated."""
    return load_config(None, as_overrides(options_of(name, pretrained=pretrained)))


def statistics_beside(weights: Optional[str]) -> Optional[ridge.Statistics]:
    """Return the statistics of a model's images that are stored with its weights. Raises CheckpointError."""
    if weights is None or Path(weights).name not in (MODEL, f"{MODEL}.pdparams"):
        return None
    file = Path(weights).parent / STATISTICS
    return ridge.read(file) if file.is_file() else None


def put_head(network: nn.Layer, head: ridge.Head) -> None:
    """Give a network a classifier, for as many classes as that has."""
    if network.get_head().bias.shape[0] != len(head.bias):
        network.reset_head(len(head.bias))
        network.eval()
    layer = network.get_head()
    weight = np.moveaxis(head.weight, 1, layer.class_axis).reshape(layer.weight.shape)
    layer.weight.set_value(paddle.to_tensor(weight.astype(np.float32)))
    layer.bias.set_value(paddle.to_tensor(head.bias.astype(np.float32)))


def with_global(config: RunConfig, **values: Any) -> RunConfig:
    """Return a config with other values in its section Global."""
    return dataclasses.replace(config, Global=dataclasses.replace(config.Global, **values))


def as_overrides(options: Mapping[str, Any]) -> list[str]:
    """Return options as they are written after -o."""
    return [f"{key}={json.dumps(value)}" for key, value in options.items()]
