"""Models in folders: `config.yaml`, and `model.pdparams` with `model.pdstates` beside."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Optional, Union

import numpy as np
import paddle
from paddle import nn

from ppcls import pdparams
from ppcls.api import ridge
from ppcls.config import as_overrides, dump_config, load_config
from ppcls.config.schema import RunConfig
from ppcls.engine.state import weights_of
from ppcls.errors import CheckpointError, did_you_mean
from ppcls.export.by_name import options_of
from ppcls.files import make_folder, move, new_folder, remove_temporaries, sha256_of, write_text
from ppcls.inference.artifact import DESCRIPTION
from ppcls.models import ARCHITECTURES
from ppcls.recipes.recipe import CONFIG
from ppcls.report.sources import config_at

MODEL, STATISTICS = "model", "statistics.npz"
WEIGHTS, STATES = f"{MODEL}.pdparams", f"{MODEL}.pdstates"


def write(
    folder: Path,
    config: RunConfig,
    network: nn.Layer,
    class_names: Sequence[str],
    statistics: Optional[ridge.Statistics],
    **facts: Any,
) -> Path:
    """Write a model, whole, over what is there; but a `config.yaml` is left alone. Raises CheckpointError."""
    make_folder(folder, "folder")
    remove_temporaries(folder)
    with new_folder(folder) as new:
        pdparams.write(new / WEIGHTS, weights_of(network))
        sums = {".pdparams": sha256_of(new / WEIGHTS)}
        if statistics is not None:
            statistics.write(new / STATISTICS)
            sums[STATISTICS] = sha256_of(new / STATISTICS)
        names = {"label_names": list(class_names), "class_num": len(class_names)}
        pdparams.write(new / STATES, {**facts, **names, "sha256": sums})
        move((STATISTICS, WEIGHTS, STATES), new, folder)  # the checksums last: they fit only when all are the new ones
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
        hint = did_you_mean(name, ARCHITECTURES.names()) or "; give the folder that `ppcls train` wrote"
        raise CheckpointError(f"{name}: is no folder of a run and no architecture{hint}")
    return named(ARCHITECTURES.resolve(name), pretrained=True)


def named(name: str, *, pretrained: bool) -> RunConfig:
    """Return the config of an architecture as its official weights were evaluated."""
    return load_config(None, as_overrides(options_of(name, pretrained=pretrained)))


def statistics_beside(weights: Optional[str], facts: Mapping[str, Any]) -> Optional[ridge.Statistics]:
    """Return the statistics of a model's images that are stored with its weights, of which `facts` tell.

    Raises CheckpointError.
    """
    if weights is None or not facts or Path(weights).name not in (MODEL, WEIGHTS):
        return None
    file = Path(weights).parent / STATISTICS
    if not file.is_file():
        return None
    if facts.get("sha256", {}).get(STATISTICS) not in (None, sha256_of(file)):
        raise CheckpointError(
            f"{file}: not the file that {STATES} beside it tells of (its checksum does not fit); it is damaged or of "
            "another model; get it again, or remove it if no class is to be added"
        )
    return ridge.read(file)


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
