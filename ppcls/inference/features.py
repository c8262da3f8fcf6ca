"""Features of many images in one file, which is also the index that other images are searched in."""

import importlib
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppcls.config import DeployConfig
from ppcls.config.deploy import IndexSection
from ppcls.errors import CheckpointError, ConfigError
from ppcls.files import UNREADABLE_NPZ, make_folder, replacing, sha256_of
from ppcls.images import stream
from ppcls.images.lists import entries_in
from ppcls.images.sources import name_of
from ppcls.inference import answering, artifact
from ppcls.inference.timing import Times, no_times
from ppcls.text import as_utf8

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Features:
    """Rows of features [N, D] of images with these names, by the model with this checksum.

    `labels` are those of the lists that name the images, "" where there is none.
    """

    names: Sequence[str]
    labels: Sequence[str]
    rows: Floats
    model: str

    def require_model(self, model: str, file: Path) -> None:
        """Raise ConfigError unless the rows are of the model with this checksum."""
        if self.model != model:
            raise ConfigError(
                f"--index: '{file}' was made by another model, so nothing compares; give that model, or build it again"
            )

    def added(self, other: "Features") -> "Features":
        """Return both; an image of the same name is replaced."""
        kept = self.without(set(other.names))
        names, labels = [*kept.names, *other.names], [*kept.labels, *other.labels]
        return Features(names, labels, np.concatenate([kept.rows, other.rows]), self.model)

    def without(self, names: set[str]) -> "Features":
        """Return those of all other images."""
        keep = [place for place, name in enumerate(self.names) if name not in names]
        names_left, labels = ([those[place] for place in keep] for those in (self.names, self.labels))
        return Features(names_left, labels, self.rows[keep], self.model)


def checksum(model: str) -> str:
    """Return the checksum of an exported model's graph and weights, or of its ONNX file. Raises CheckpointError."""
    files = artifact.files_of(Path(model))
    parts = (files.model, files.weights) if files.model else (files.onnx,)
    return sha256(" ".join(sha256_of(part) for part in parts if part).encode()).hexdigest()


def embed(config: DeployConfig, *, gallery: bool = False) -> tuple[Features, int]:
    """Return the features of the config's images, and how many could not be read; stderr says which.

    `gallery`: of those of `IndexProcess.data_file`. Raises ConfigError for a model without features, and for settings
    that are of scores.
    """
    names, rows, problems = [], [], []
    with answering.warnings_on_stderr():
        answering.say_notes(config)
        asked = config.require("IndexProcess.data_file" if gallery else "Global.infer_imgs", "embed")
        labels = _gallery(config.IndexProcess, asked) if gallery else stream.labelled(asked)
        predictor = answering.predictor_of(config)
        times, started = Times() if config.Global.enable_benchmark else no_times, time.perf_counter()
        for one in predictor.embed(list(labels), batch_size=config.Global.batch_size, times=times):
            if one.features is None:
                problems.append(f"{name_of(one.source)}: {one.problem}")
            else:
                names.append(one.source)
                rows.append(one.features)
    if config.Global.enable_benchmark:
        print(f"{predictor.about}, batch {config.Global.batch_size}")
        print(times.table(len(names), time.perf_counter() - started))
    for problem in problems:
        print(problem, file=sys.stderr)
    matrix = np.array(rows, "float32").reshape(len(rows), predictor.class_num)
    own_labels = [as_utf8(labels[name]) for name in names]
    own_names = [as_utf8(name) for name in names]
    return Features(own_names, own_labels, matrix, checksum(config.Global.inference_model_dir)), len(problems)


def _gallery(section: IndexSection, data_file: str) -> dict[str, str]:
    """Return the images of the list, and their labels. Raises DataError."""
    root = os.path.dirname(data_file) if section.image_root is None else section.image_root
    pairs = entries_in(data_file, "IndexProcess.data_file", root=root, delimiter=section.delimiter)
    return {os.path.normpath(os.path.join(root, path)): label for path, label in pairs}


def require_writable(path: Path) -> None:
    """Raise ConfigError where `write` can't write such a file."""
    if path.suffix == ".parquet":
        _pyarrow()
    elif path.suffix != ".npz":
        raise ConfigError(f"--out: must end in .npz or .parquet; received '{path}'")


def _pyarrow() -> Any:
    try:
        importlib.import_module("pyarrow.parquet")
    except ModuleNotFoundError as error:
        raise ConfigError(
            "--out: a .parquet needs pyarrow, which is an extra; pip install 'ppcls[parquet]', or give a .npz"
        ) from error
    return importlib.import_module("pyarrow")


def write(features: Features, path: Path, asked_by: str) -> None:
    """Write a `.npz` or `.parquet` file whole or not at all. Raises CheckpointError."""
    make_folder(path.parent, asked_by)
    with replacing(path) as file:
        if path.suffix == ".parquet":
            arrow = _pyarrow()
            rows = arrow.FixedSizeListArray.from_arrays(arrow.array(features.rows.reshape(-1)), features.rows.shape[1])
            table = arrow.table({"name": features.names, "label": features.labels, "features": rows})
            arrow.parquet.write_table(table.replace_schema_metadata({"model": features.model}), file)
        else:
            names, labels, model = (np.array(text, str) for text in (features.names, features.labels, features.model))
            np.savez(file, names=names, labels=labels, features=features.rows, model=model)


def read(path: Path) -> Features:
    """Read a `.npz` file that `write` wrote. Raises CheckpointError."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
            names, labels = (content[name].astype(str).reshape(-1).tolist() for name in ("names", "labels"))
            found = Features(names, labels, content["features"], str(content["model"]))
    except UNREADABLE_NPZ as error:
        raise CheckpointError(f"'{path}': no file of features can be read there ({error}); build it") from error
    if found.rows.ndim != 2 or not len(found.rows) == len(found.names) == len(found.labels):
        raise CheckpointError(f"'{path}': holds {len(found.names)} names and features {found.rows.shape}; build it")
    if found.rows.dtype != np.float32 or not np.isfinite(found.rows).all():
        raise CheckpointError(f"'{path}': holds features that are not finite float32 numbers; build it")
    return found
