"""Images to predict: found, read, transformed and handed out in batches."""

import itertools
import os
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Optional, Union

import numpy as np

from ppcls import environment
from ppcls.errors import ConfigError, DataError
from ppcls.images import TRANSFORMS
from ppcls.images.decode import Image
from ppcls.images.failures import OneImage
from ppcls.images.lists import entries_in, paths_in
from ppcls.images.pipeline import Pipeline
from ppcls.images.sources import KINDS, Source, contents, is_one
from ppcls.images.walk import images_below
from ppcls.registry import Part
from ppcls.text import printable


def pipeline(parts: Sequence[Part]) -> Pipeline:
    """Build a list of transforms. Raises ConfigError for values, or an order, that can't be."""
    built = [TRANSFORMS.build(part) for part in parts]
    try:
        return Pipeline(built)
    except ValueError as error:
        raise ConfigError(f"{parts[0].where}: {error}") from error


def noise(height: int, width: int) -> Image:
    """Return an image of 16 x 16 random colours, each time the same, to try a model on: uint8 [height, width, 3]."""
    colours = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype="uint8")
    rows, columns = (np.arange(side) * 16 // side for side in (height, width))
    return colours[rows[:, None], columns]


def find(paths: Union[str, Sequence[str]], *, say: bool = True) -> Iterator[str]:
    """Yield the images that each path means: one file, all below a folder (sorted), or the lines of a `.txt`.

    A line of a list is a path relative to the list's folder; a label after it is ignored. `say`: log which files of
    a folder are ignored. Raises DataError.
    """
    return (image for image, _ in _found(paths, say))


def labelled(paths: Union[str, Sequence[str]]) -> dict[str, str]:
    """Return the images that `find` finds, each once, with their labels in lists, else "". Raises DataError."""
    return dict(_found(paths, say=True))


def listed(path: str, root: str) -> list[str]:
    """Return the images in the lines of a list, below the folder `root`. Raises DataError."""
    return [os.path.join(root, name) for name in paths_in(path, "infer_list")]


def _found(paths: Union[str, Sequence[str]], say: bool) -> Iterator[tuple[str, str]]:
    """Yield the images of each path, with their labels where a list has some, else ""."""
    for path in [paths] if isinstance(paths, str) else paths:
        if os.path.isdir(path):
            yield from ((os.path.join(path, below), "") for below in images_below(path, say=say))
        elif not os.path.isfile(path):
            raise DataError(f"infer_imgs: '{printable(path)}' does not exist; give an image, a folder or a .txt list")
        elif path.lower().endswith(".txt"):
            entries = entries_in(path, "infer_imgs")
            yield from ((os.path.join(os.path.dirname(path), listed), label) for listed, label in entries)
        else:
            yield path, ""


@dataclass(frozen=True)
class Prepared:
    """An image after its transforms: HWC uint8, or, where it can't be used, why; and what that took."""

    source: Any
    image: Optional[Image]
    problem: str = ""
    decode_seconds: float = 0.0
    transform_seconds: float = 0.0


def spread(source: Union[Source, Iterable[Source]]) -> Iterator[Any]:
    """Yield each image of a source, one after the other: those that `find` finds, and what is in memory as it is.

    Of several, a folder or list that can't be used is its own problem, not the end: it comes as `Prepared`.
    """
    if isinstance(source, (str, os.PathLike)):
        yield from find(os.fspath(source))
    elif is_one(source):
        yield source
    elif not isinstance(source, Iterable):
        raise TypeError(f"an image is {KINDS}; received {type(source).__name__}")
    else:
        for item in source:
            path = os.fspath(item) if isinstance(item, (str, os.PathLike)) else ""
            if path.lower().endswith(".txt") or os.path.isdir(path):
                try:
                    yield from find(path)
                except DataError as error:
                    yield Prepared(item, None, str(error))
            elif isinstance(item, Iterable) and not is_one(item):
                yield from spread(item)
            else:
                yield item  # also what is no image: reading it says so


def batches(
    sources: Iterable[Any], pipeline: Pipeline, size: int, *, input_shape: Optional[tuple[int, int, int]] = None
) -> Iterator[list[Prepared]]:
    """Yield the images in batches, in their order, while threads decode those of the next two.

    All have the height and width of `input_shape` [C, H, W]; without it, those of the first that can be used.
    """
    height_width: Optional[tuple[int, ...]] = input_shape[1:] if input_shape else None
    waiting: deque[Future[Prepared]] = deque()
    with ThreadPoolExecutor(environment.physical_cores(), "decode") as threads:
        try:
            numbered = enumerate(sources)
            while True:
                for index, source in itertools.islice(numbered, 3 * size - len(waiting)):
                    waiting.append(threads.submit(_prepare, source, index, pipeline))
                if not waiting:
                    return
                batch = [waiting.popleft().result() for _ in range(min(size, len(waiting)))]
                height_width = height_width or next(
                    (one.image.shape[:2] for one in batch if one.image is not None), None
                )
                yield [_of_size(one, height_width) for one in batch]
        finally:
            for future in waiting:
                future.cancel()


def _prepare(source: Any, index: int, pipeline: Pipeline) -> Prepared:
    if isinstance(source, Prepared):
        return source
    started = middle = time.perf_counter()
    try:
        with OneImage():
            decoded = pipeline.decode(contents(source))
            middle = time.perf_counter()
            image = pipeline.transform(decoded, np.random.default_rng(index))
    except DataError as error:
        return Prepared(source, None, str(error), time.perf_counter() - started)
    return Prepared(source, image, "", middle - started, time.perf_counter() - middle)


def _of_size(one: Prepared, height_width: Optional[tuple[int, ...]]) -> Prepared:
    """Return the image, or, where it is of another size than the batch must be, this problem."""
    if one.image is None or height_width is None or one.image.shape[:2] == height_width:
        return one
    (height, width), (model_height, model_width) = one.image.shape[:2], height_width
    problem = (
        f"comes to {width} x {height}, where {model_width} x {model_height} is needed; "
        "add ResizeImage or CropImage to the transforms, or correct them"
    )
    return replace(one, image=None, problem=problem)
