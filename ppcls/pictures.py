"""Picture files to predict: found, read, transformed and handed out in batches."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Union

import numpy as np

from ppcls.config.parts import Part
from ppcls.errors import ConfigError, DataError
from ppcls.registry import TRANSFORMS
from ppcls.transforms.compose import Pipeline

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")


def pipeline(parts: Sequence[Part]) -> Pipeline:
    """Build a list of transforms. Raises ConfigError for values, or an order, that can't be."""
    built = [TRANSFORMS.build(part) for part in parts]
    try:
        return Pipeline(built)
    except ValueError as error:
        raise ConfigError(f"{parts[0].where}: {error}") from error


def find(paths: Union[str, Sequence[str]]) -> list[Path]:
    """Return the pictures that each path means: one file, all below a folder (sorted), or the lines of a `.txt`.

    A line of a list is a path relative to the list's folder; a class id after it is ignored. Raises DataError.
    """
    return [found for path in ([paths] if isinstance(paths, str) else paths) for found in _find(path)]


def _find(path: str) -> list[Path]:
    source = Path(path)
    if source.is_dir():
        found = sorted(file for file in source.rglob("*") if file.suffix.lower() in SUFFIXES)
        if not found:
            raise DataError(f"infer_imgs: no picture ({', '.join(SUFFIXES)}) in the folder '{path}'")
        return found
    if not source.is_file():
        raise DataError(f"infer_imgs: '{path}' does not exist; give a picture, a folder or a .txt list of pictures")
    if source.suffix.lower() != ".txt":
        return [source]
    try:
        lines = [line.strip() for line in source.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"infer_imgs: the list '{path}' can't be read ({error}); give UTF-8 text") from error
    if not lines:
        raise DataError(f"infer_imgs: the list '{path}' is empty")
    return [source.parent / _without_label(line) for line in lines]


def _without_label(line: str) -> str:
    picture, _, label = line.rpartition(" ")
    return picture if picture and label.isdecimal() else line


class Pictures:
    """Pictures in batches as the model gets them; those that can't be read are passed over and noted.

    `failed` holds one message for each picture that was passed over so far.
    """

    def __init__(self, paths: list[Path], pipeline: Pipeline, *, batch_size: int) -> None:
        self.paths = paths
        self.pipeline = pipeline
        self.batch_size = batch_size
        self.failed: list[str] = []

    def batches(self) -> Iterator[tuple[list[Path], np.ndarray]]:
        """Yield the paths and the float32 NCHW images of up to `batch_size` readable pictures at a time."""
        for start in range(0, len(self.paths), self.batch_size):
            images: dict[Path, np.ndarray] = {}
            for index, path in enumerate(self.paths[start : start + self.batch_size], start):
                try:
                    images[path] = self.pipeline.sample(path.read_bytes(), np.random.default_rng(index))
                except (DataError, OSError) as error:
                    self.failed.append(f"{path}: {error}")
            if images:
                _require_one_size(images)
                yield list(images), self.pipeline.finish(np.stack(list(images.values())))


def _require_one_size(images: Mapping[Path, np.ndarray]) -> None:
    (first, image), *others = images.items()
    for path, other in others:
        if other.shape != image.shape:
            (height, width, _), (height_0, width_0, _) = other.shape, image.shape
            raise DataError(
                f"{path}: the pictures of a batch must come to one size; received {width} x {height}, but "
                f"{width_0} x {height_0} for {first}; add ResizeImage or CropImage to the transforms"
            )
