"""Features of many images in one file, which is also the index that other images are searched in."""

import sys
import time
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ppcls.config import DeployConfig
from ppcls.errors import CheckpointError, ConfigError
from ppcls.files import make_folder, replacing, sha256_of
from ppcls.images import stream
from ppcls.images.sources import name_of
from ppcls.inference import answering, artifact
from ppcls.inference.timing import Times, no_times
from ppcls.text import as_utf8

Floats = NDArray[np.float32]
# So many images are compared with the index at a time.
CHUNK = 256


@dataclass(frozen=True)
class Features:
    """Rows of features [N, D] of images with these names, by the model with this checksum."""

    names: Sequence[str]
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
        return Features([*kept.names, *other.names], np.concatenate([kept.rows, other.rows]), self.model)

    def without(self, names: set[str]) -> "Features":
        """Return those of all other images."""
        keep = [place for place, name in enumerate(self.names) if name not in names]
        return Features([self.names[place] for place in keep], self.rows[keep], self.model)

    def nearest(self, rows: Floats, topk: int) -> Iterator[list[tuple[str, float]]]:
        """Yield for each row the `topk` most similar images and their products with it, the best first, all exact."""
        if not self.names:
            yield from ([] for _ in rows)
            return
        topk = min(topk, len(self.names))
        for start in range(0, len(rows), CHUNK):
            for alike in rows[start : start + CHUNK] @ self.rows.T:
                least = np.partition(alike, -topk)[-topk]
                places = np.flatnonzero(alike >= least)
                best = places[np.argsort(-alike[places], kind="stable")][:topk]
                yield [(self.names[place], float(alike[place])) for place in best]


def checksum(model: str) -> str:
    """Return the checksum of an exported model's graph and weights, or of its ONNX file. Raises CheckpointError."""
    files = artifact.files_of(Path(model))
    parts = (files.model, files.weights) if files.model else (files.onnx,)
    return sha256(" ".join(sha256_of(part) for part in parts if part).encode()).hexdigest()


def embed(config: DeployConfig) -> tuple[Features, int]:
    """Return the features of the config's images, and how many could not be read; stderr says which.

    Raises ConfigError for a model without features, and for settings that are of scores.
    """
    asked = config.require("Global.infer_imgs", "embed")
    names, rows, problems = [], [], []
    with answering.warnings_on_stderr():
        answering.say_notes(config)
        images = list(dict.fromkeys(stream.find(asked)))  # each once
        predictor = answering.predictor_of(config)
        times, started = Times() if config.Global.enable_benchmark else no_times, time.perf_counter()
        for one in predictor.embed(images, batch_size=config.Global.batch_size, times=times):
            if one.features is None:
                problems.append(f"{name_of(one.source)}: {one.problem}")
            else:
                names.append(as_utf8(one.source))
                rows.append(one.features)
    if config.Global.enable_benchmark:
        print(f"{predictor.about}, batch {config.Global.batch_size}")
        print(times.table(len(names), time.perf_counter() - started))
    for problem in problems:
        print(problem, file=sys.stderr)
    matrix = np.array(rows, "float32").reshape(len(rows), predictor.class_num)
    return Features(names, matrix, checksum(config.Global.inference_model_dir)), len(problems)


def write(features: Features, path: Path, asked_by: str) -> None:
    """Write a `.npz` file whole or not at all. Raises CheckpointError."""
    make_folder(path.parent, asked_by)
    with replacing(path) as file:
        np.savez(file, names=np.array(features.names, str), features=features.rows, model=np.array(features.model))


def read(path: Path) -> Features:
    """Read what `write` wrote. Raises CheckpointError."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
            found = Features(content["names"].tolist(), content["features"], str(content["model"]))
    except (OSError, ValueError, KeyError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"'{path}': no file of features can be read there ({error}); build it") from error
    if found.rows.ndim != 2 or len(found.rows) != len(found.names):
        raise CheckpointError(f"'{path}': holds {len(found.names)} names and features {found.rows.shape}; build it")
    return found
