"""Picture files to predict: found, read, transformed and handed out in batches."""

import itertools
import os
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Union

import numpy as np

from ppcls import environment
from ppcls.errors import ConfigError, DataError
from ppcls.images import TRANSFORMS
from ppcls.images.decode import SUFFIXES, Image
from ppcls.images.pipeline import Pipeline
from ppcls.registry import Part

# A file, the bytes of one, or an RGB array [H, W, 3] uint8.
Source = Union[str, Path, bytes, Image]


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
    return [Path(found) for path in ([paths] if isinstance(paths, str) else paths) for found in _walk(path)]


def listed(path: str, root: str) -> list[Path]:
    """Return the pictures in the lines of a list, below the folder `root`. Raises DataError."""
    return [Path(found) for found in _lines(path, root)]


def spread(source: Union[Source, Iterable[Source]]) -> Iterator[Source]:
    """Yield each picture of a source, one after the other: what `find` finds as text, what is in memory as it is.

    Of several sources, those that are no folder and no list need not be there: reading them tells.
    """
    if isinstance(source, (str, Path)):
        yield from _walk(str(source))
    elif isinstance(source, (bytes, np.ndarray)):
        yield source
    elif not isinstance(source, Iterable):
        raise TypeError(
            "a picture is a path, the bytes of a file, or an RGB array [H, W, 3] uint8; "
            f"received {type(source).__name__}"
        )
    else:
        for item in source:
            if isinstance(item, (str, Path)) and not (os.path.isdir(item) or str(item).lower().endswith(".txt")):
                yield str(item)
            else:
                yield from spread(item)


def name_of(source: Source) -> str:
    """Return what to call a picture in messages."""
    return "a picture in memory" if isinstance(source, (bytes, np.ndarray)) else str(source)


def _walk(path: str) -> Iterator[str]:
    if os.path.isdir(path):
        found = None
        for found in _below(path):
            yield found
        if found is None:
            raise DataError(f"infer_imgs: no picture ({', '.join(SUFFIXES)}) in the folder '{path}'")
    elif not os.path.isfile(path):
        raise DataError(f"infer_imgs: '{path}' does not exist; give a picture, a folder or a .txt list of pictures")
    elif not path.lower().endswith(".txt"):
        yield path
    else:
        yield from _lines(path, os.path.dirname(path))


def _below(folder: str) -> Iterator[str]:
    with os.scandir(folder) as scan:
        entries = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in scan)
    for name, is_folder in entries:
        if is_folder:
            yield from _below(os.path.join(folder, name))
        elif name.lower().endswith(SUFFIXES):
            yield os.path.join(folder, name)


def _lines(path: str, folder: str) -> Iterator[str]:
    found = None
    try:
        with open(path, encoding="utf-8-sig") as file:
            for line in file:
                if line.strip():
                    found = os.path.join(folder, _without_label(line.strip()))
                    yield found
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"infer_imgs: the list '{path}' can't be read ({error}); give UTF-8 text") from error
    if found is None:
        raise DataError(f"infer_imgs: the list '{path}' is empty")


def _without_label(line: str) -> str:
    picture, _, label = line.rpartition(" ")
    return picture if picture and label.isdecimal() else line


@dataclass(frozen=True)
class Picture:
    """A picture after its transforms: HWC uint8, or, where it can't be used, why; and what that took."""

    source: Source
    image: Optional[Image]
    problem: str = ""
    decode_seconds: float = 0.0
    transform_seconds: float = 0.0


def batches(
    sources: Iterable[Source], pipeline: Pipeline, input_shape: tuple[int, int, int], size: int
) -> Iterator[list[Picture]]:
    """Yield the pictures in batches, in their order, while threads decode those of the next two."""
    waiting: deque[Future[Picture]] = deque()
    with ThreadPoolExecutor(environment.physical_cores(), "decode") as threads:
        try:
            numbered = enumerate(sources)
            while True:
                for index, source in itertools.islice(numbered, 3 * size - len(waiting)):
                    waiting.append(threads.submit(_picture, source, index, pipeline, input_shape[1:]))
                if not waiting:
                    return
                yield [waiting.popleft().result() for _ in range(min(size, len(waiting)))]
        finally:
            for picture in waiting:
                picture.cancel()


def _picture(source: Source, index: int, pipeline: Pipeline, height_width: tuple[int, ...]) -> Picture:
    started = time.perf_counter()
    try:
        data = source if isinstance(source, (bytes, np.ndarray)) else Path(source).read_bytes()
        decoded = pipeline.decode(data) if isinstance(data, bytes) else data
        middle = time.perf_counter()
        image = pipeline.sample(decoded, np.random.default_rng(index))
    except (DataError, OSError) as error:
        return Picture(source, None, str(error), time.perf_counter() - started)
    if image.shape[:2] != height_width:
        (height, width), (model_height, model_width) = image.shape[:2], height_width
        problem = f"comes to {width} x {height}, the model takes {model_width} x {model_height}; correct the transforms"
        return Picture(source, None, problem, middle - started)
    return Picture(source, image, "", middle - started, time.perf_counter() - middle)


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
