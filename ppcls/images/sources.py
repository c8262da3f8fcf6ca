"""What an image may be given as, and how its contents are had: as bytes of a file, or decoded already."""

import os
from collections.abc import Iterable
from typing import Any, BinaryIO, Union

import numpy as np

from ppcls.errors import DataError
from ppcls.images.decode import Image
from ppcls.images.failures import TooLargeError
from ppcls.text import printable

# A path, the bytes of a file, a file that is open, an RGB, RGBA or grey array uint8, or an image of Pillow.
Source = Union[str, "os.PathLike[str]", bytes, bytearray, memoryview, BinaryIO, Image, Any]

# More than the largest image that is decoded takes without compression, with 16 bits a channel.
MAX_FILE_BYTES = 1 << 31
KINDS = "a path, the bytes of a file, an open file, an RGB array [H, W, 3] uint8, or an image of Pillow"


def read_file(path: Union[str, "os.PathLike[str]"]) -> bytes:
    """Return the bytes of a file. Raises OSError, TooLargeError."""
    file = os.open(path, os.O_RDONLY)  # a Python file takes as long again to make
    try:
        size = os.fstat(file).st_size
        if size > MAX_FILE_BYTES:
            raise TooLargeError(
                f"too large: a file of {size:,} bytes; at most {MAX_FILE_BYTES:,} are read; shrink or remove it"
            )
        data = os.read(file, size)
        if len(data) < size or not size:  # a file system may give less at a time, and a pipe has no size
            with open(file, "rb", closefd=False) as rest:
                data += rest.read()
        return data
    finally:
        os.close(file)


def is_one(source: Any) -> bool:
    """Return whether this is one image, of a kind that is known; anything else is several or a mistake."""
    return isinstance(source, (str, os.PathLike, bytes, bytearray, memoryview, np.ndarray)) or (
        hasattr(source, "read") or _is_pillow(source)
    )


def contents(source: Source) -> Union[bytes, Any]:
    """Return the bytes of an image file, or what is decoded already. Raises OSError, DataError."""
    if isinstance(source, (str, os.PathLike)):
        return read_file(source)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source)
    if isinstance(source, np.ndarray) or _is_pillow(source):
        return source
    data = source.read() if hasattr(source, "read") else None
    if isinstance(data, bytes):
        return data
    what = "a file opened as text" if isinstance(data, str) else f"an object of type {type(source).__name__}"
    raise DataError(f"not an image: {what}; give {KINDS}")


def _is_pillow(source: Any) -> bool:
    return all(hasattr(source, name) for name in ("convert", "getexif", "mode", "info"))


def name_of(source: Source) -> str:
    """Return what to call an image in messages."""
    return printable(os.fspath(source)) if isinstance(source, (str, os.PathLike)) else "an image in memory"


def told_apart(paths: Iterable[str]) -> dict[str, str]:
    """Return for each path its file name, with as many folders before it as tell it from the others."""
    shown: dict[str, list[str]] = {"": list(dict.fromkeys(paths))}
    names: dict[str, str] = {}
    depth = 1
    while shown:
        alike: dict[str, list[str]] = {}
        for path in (path for group in shown.values() for path in group):
            alike.setdefault("/".join(path.split(os.sep)[-depth:]), []).append(path)
        names.update((group[0], name) for name, group in alike.items() if len(group) == 1)
        shown = {name: group for name, group in alike.items() if len(group) > 1}
        depth += 1
    return names
