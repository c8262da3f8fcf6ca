"""What one picture file is, found out in the processes that read."""

import functools
import hashlib
import io
import os
import tempfile
from pathlib import PurePath
from typing import NamedTuple, Optional, Union

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from ppcls.data.sources.packed import Pack
from ppcls.doctor.duplicates import THUMB_PX, looks, thumbnail

# Kinds of findings on a file, one bit each in `faults`.
FAULTS = (
    "unreadable", "empty file", "undecodable", "truncated", "changed", "damaged", "wrong suffix", "one colour",
    "tiny", "huge", "long and thin", "animated", "grey", "CMYK", "alpha", "16 bits", "rotated",
)  # fmt: skip
# Those that a detail is about.
SAID = ("unreadable", "undecodable", "truncated", "damaged", "wrong suffix")
_BIT = {fault: 1 << place for place, fault in enumerate(FAULTS)}
FORMATS = ("unknown", "JPEG", "PNG", "WEBP", "BMP", "PPM", "TIFF", "GIF", "MPO")
_FORMAT_OF = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".bmp": "BMP", ".ppm": "PPM",
              ".tif": "TIFF", ".tiff": "TIFF"}  # fmt: skip

# 42 bytes a picture, so that ImageNet's 1.28 million take 54 MB.
RECORD = np.dtype(
    [("bytes", "u4"), ("width", "u2"), ("height", "u2"), ("faults", "u4"), ("format", "u1"), ("usable", "?"),
     ("digest", "u8"), ("looks", "u8", 2)]
)  # fmt: skip
Records = NDArray[np.void]
_TINY_PX, _HUGE_PX, _LONG = 16, 40_000_000, 5
_FLAT_LEVELS = 3


class FilesTask(NamedTuple):
    """Picture files to look at."""

    root: str
    paths: list[str]

    def read(self, place: int) -> Optional[bytes]:
        """Return a file's bytes. Raises OSError."""
        with open(os.path.join(self.root, self.paths[place]), "rb", buffering=0) as file:
            return file.read()


class PackTask(NamedTuple):
    """Packed pictures to look at."""

    pack: str
    indices: list[int]
    paths: list[str]

    def read(self, place: int) -> Optional[bytes]:
        """Return a picture's bytes, or None if they were changed."""
        index = self.indices[place]
        pack = _open(self.pack)
        return pack.read(index) if pack.is_intact(index) else None


Task = Union[FilesTask, PackTask]
_open = functools.lru_cache(maxsize=4)(Pack)


def inspect(task: Task) -> tuple[Records, dict[int, str]]:
    """Return a record for each picture, and what else there is to say on some, by place."""
    records = np.zeros(len(task.paths), RECORD)
    details = {}
    with Complaints() as complaints:
        for place, path in enumerate(task.paths):
            detail = _inspect_one(task, place, path, records[place], complaints)
            if detail:
                details[place] = detail
    return records, details


def thumbnails(task: Task) -> NDArray[np.uint8]:
    """Return a thumbnail [256] of each picture, which were found readable before."""
    thumbs = np.zeros((len(task.paths), THUMB_PX**2), np.uint8)
    for place, thumb in enumerate(thumbs):
        data = task.read(place) or b""
        image = _decode(data, _header(data))
        if image is not None:
            thumb[:] = thumbnail(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
    return thumbs


def _inspect_one(task: Task, place: int, path: str, record: np.void, complaints: "Complaints") -> str:
    try:
        data = task.read(place)
    except OSError as error:
        record["faults"] = _BIT["unreadable"]
        return error.strerror or ""
    if not data:
        record["faults"] = _BIT["changed" if data is None else "empty file"]
        return ""
    record["bytes"] = min(len(data), 2**32 - 1)
    record["digest"] = int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")
    facts = _header(data)
    record["format"] = FORMATS.index(facts.format) if facts.format in FORMATS else 0
    faults, detail = facts.faults, ""
    expected = _FORMAT_OF.get(PurePath(path).suffix.lower())
    if facts.format and expected != facts.format.replace("MPO", "JPEG"):
        faults |= _BIT["wrong suffix"]
        detail = f"is {facts.format}"
    image = _decode(data, facts)
    complaint = complaints.read()
    if image is None:
        record["faults"] = faults | _BIT["truncated" if facts.cut(data) else "undecodable"]
        return f"{len(data)} bytes starting with {data[:8]!r}"
    if complaint:
        faults |= _BIT["damaged"]
        detail = complaint
    record["width"], record["height"] = (min(side, 65535) for side in facts.size or image.shape[1::-1])
    record["faults"] = faults | _shape_faults(*facts.size or image.shape[1::-1])
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    if int(grey.max()) - int(grey.min()) <= _FLAT_LEVELS:
        record["faults"] |= _BIT["one colour"]
    else:
        record["looks"] = looks(grey)
        record["usable"] = True
    return detail


class _Header(NamedTuple):
    """What the first bytes say, as far as Pillow understands them."""

    format: str
    size: Optional[tuple[int, int]]
    faults: int

    def cut(self, data: bytes) -> bool:
        """Return whether a picture that can't be decoded lacks its end."""
        try:
            with Pillow.open(io.BytesIO(data)) as image:
                image.load()
        except (OSError, SyntaxError, ValueError, EOFError, Pillow.DecompressionBombError) as error:
            return bool(self.format) and "truncated" in str(error).lower()
        return False


def _header(data: bytes) -> _Header:
    try:
        with Pillow.open(io.BytesIO(data)) as image:
            mode = image.mode
            faults = {
                "grey": mode in ("1", "L", "LA", "I", "F") or mode.startswith("I;"),
                "CMYK": mode == "CMYK",
                "alpha": mode in ("RGBA", "LA", "PA") or "transparency" in image.info,
                "16 bits": mode in ("I", "F") or mode.startswith("I;"),
                "rotated": image.getexif().get(0x0112, 1) in range(2, 9),
                "animated": getattr(image, "is_animated", False) and image.format != "MPO",
            }
            return _Header(image.format or "", image.size, sum(_BIT[name] for name, found in faults.items() if found))
    # Pillow raises SyntaxError and ValueError as well for broken files.
    except (OSError, SyntaxError, ValueError, EOFError, Pillow.DecompressionBombError):
        return _Header("", None, 0)


def _decode(data: bytes, facts: _Header) -> Optional[NDArray[np.uint8]]:
    """Decode as training does, but large JPEGs at a half to an eighth: all bytes are read, fewer pixels made."""
    flag, short = cv2.IMREAD_COLOR, min(facts.size or (0, 0))
    if facts.format in ("JPEG", "MPO"):
        for factor, reduced in (
            (8, cv2.IMREAD_REDUCED_COLOR_8),
            (4, cv2.IMREAD_REDUCED_COLOR_4),
            (2, cv2.IMREAD_REDUCED_COLOR_2),
        ):
            if short >= 72 * factor:
                flag = reduced
                break
    try:
        image: Optional[NDArray[np.uint8]] = cv2.imdecode(np.frombuffer(data, np.uint8), flag)
    except cv2.error:  # more pixels than OpenCV allows
        return None
    return image


def _shape_faults(width: int, height: int) -> int:
    faults = {
        "tiny": min(width, height) < _TINY_PX,
        "huge": width * height > _HUGE_PX,
        "long and thin": max(width, height) > _LONG * min(width, height),
    }
    return sum(_BIT[name] for name, found in faults.items() if found)


class Complaints:
    """Catches what the decoders' C libraries print on standard error, their only way to report damage."""

    def __enter__(self) -> "Complaints":
        self._file = tempfile.TemporaryFile()
        self._stderr = os.dup(2)
        os.dup2(self._file.fileno(), 2)
        return self

    def __exit__(self, *_: object) -> None:
        os.dup2(self._stderr, 2)
        os.close(self._stderr)
        self._file.close()

    def read(self) -> str:
        """Return the first complaint since the last call."""
        if not os.fstat(self._file.fileno()).st_size:
            return ""
        self._file.seek(0)
        lines = self._file.read().decode(errors="replace").splitlines()
        self._file.seek(0)
        self._file.truncate()
        # A wrong colour profile and the like; the pixels are whole.
        return next((line for line in lines if line and not line.startswith("libpng warning")), "")
