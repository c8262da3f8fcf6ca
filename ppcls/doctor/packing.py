"""Put the images of a split into one file."""

import functools
from collections.abc import Iterator
from typing import Optional

import cv2
import numpy as np

from ppcls.data.loader.parallel import in_processes
from ppcls.data.sources.packed import write_pack
from ppcls.doctor.files import Task
from ppcls.doctor.progress import Progress
from ppcls.doctor.splits import Split
from ppcls.errors import DataError
from ppcls.images.decode import decode
from ppcls.images.failures import OneImage
from ppcls.text import printable

_QUALITY = 95


def pack(split: Split, path: str, resize_short: Optional[int], num_workers: int) -> int:
    """Write a split's images as a pack; return its size in bytes.

    Those whose shorter side is above `resize_short` are shrunk to it, and saved as JPEG of quality 95. All others
    are packed as they are, byte for byte.
    Raises: DataError for an image that can't be read or, if it is to be shrunk, decoded.
    """
    labels = split.labels if split.labels.ndim == 1 else split.labels.astype(np.float32)
    records = _records(split, resize_short, num_workers)
    return write_pack(path, records, labels, split.paths, split.class_names)


def _records(split: Split, resize_short: Optional[int], num_workers: int) -> Iterator[bytes]:
    done = 0
    with Progress(len(split), "images packed") as progress:
        tasks = split.tasks(range(len(split)))
        for records in in_processes(functools.partial(_read, resize_short), tasks, num_workers):
            yield from records
            done += len(records)
            progress.update(done)


def _read(resize_short: Optional[int], task: Task) -> list[bytes]:
    records = []
    for place, path in enumerate(task.paths):
        try:
            with OneImage():
                data = task.read(place)
                if data is None:
                    raise DataError("was changed in its pack: its checksum is wrong; write that pack again")
                records.append(data if resize_short is None else shrink(data, resize_short))
        except DataError as error:
            raise type(error)(f"{printable(path)}: {error}; see `ppcls data check`") from error
    return records


def shrink(data: bytes, short: int) -> bytes:
    """Return an image file whose shorter side has at most `short` pixels. Raises UndecodableError."""
    image = decode(data, cv2.IMREAD_COLOR)
    factor = short / min(image.shape[:2])
    if factor >= 1:
        return data
    size = [round(side * factor) for side in image.shape[1::-1]]
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    packed: bytes = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()
    return packed
