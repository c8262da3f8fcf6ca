"""What one image file is, found out in the processes that read."""

import functools
import hashlib
import io
import os
import tempfile
import warnings
from pathlib import PurePath
from typing import NamedTuple, Optional, Union

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from ppcls.data.sources.packed import Pack
from ppcls.doctor.duplicates import THUMB_PX, looks, thumbnail
from ppcls.errors import DataError
from ppcls.images.decode import Image, decode
from ppcls.images.failures import OneImage, TooLargeError, UnsupportedError
from ppcls.images.header import Header, read_header
from ppcls.images.sources import read_file

# Kinds of findings on a file, one bit each in `faults`.
FAULTS = (
    "unreadable", "empty file", "undecodable", "truncated", "changed", "damaged", "wrong suffix", "one colour",
    "tiny", "huge", "long and thin", "animated", "grey", "CMYK", "alpha", "16 bits", "rotated", "too large",
    "unsupported",
)  # fmt: skip
# Those that a detail is about.
SAID = ("unreadable", "undecodable", "truncated", "damaged", "wrong suffix", "too large", "unsupported")
_BIT = {fault: 1 << place for place, fault in enumerate(FAULTS)}
FORMATS = ("unknown", "JPEG", "PNG", "WEBP", "BMP", "PNM", "TIFF", "GIF", "AVIF", "JPEG 2000", "HEIC", "HDR", "PFM",
           "Sun raster")  # fmt: skip
_FORMAT_OF = {
    ".jpg": "JPEG", ".jpeg": "JPEG", ".jpe": "JPEG", ".jfif": "JPEG", ".png": "PNG", ".webp": "WEBP", ".bmp": "BMP",
    ".dib": "BMP", ".ppm": "PNM", ".pgm": "PNM", ".pbm": "PNM", ".pnm": "PNM", ".pam": "PNM", ".tif": "TIFF",
    ".tiff": "TIFF", ".gif": "GIF", ".avif": "AVIF", ".jp2": "JPEG 2000", ".j2k": "JPEG 2000", ".ras": "Sun raster",
    ".sr": "Sun raster",
}  # fmt: skip

# 42 bytes an image, so that ImageNet's 1.28 million take 54 MB.
RECORD = np.dtype(
    [("bytes", "u4"), ("width", "u2"), ("height", "u2"), ("faults", "u4"), ("format", "u1"), ("usable", "?"),
     ("digest", "u8"), ("looks", "u8", 2)]
)  # fmt: skip
Records = NDArray[np.void]
_TINY_PX, _HUGE_PX, _LONG = 16, 40_000_000, 5
_FLAT_LEVELS = 3


class FilesTask(NamedTuple):
    """Image files to look at."""

    root: str
    paths: list[str]

    def read(self, place: int) -> Optional[bytes]:
        """Return a file's bytes. Raises OSError."""
        return read_file(os.path.join(self.root, self.paths[place]))


class PackTask(NamedTuple):
    """Packed images to look at."""

    pack: str
    indices: list[int]
    paths: list[str]

    def read(self, place: int) -> Optional[bytes]:
        """Return an image's bytes, or None if they were changed."""
        index = self.indices[place]
        pack = _open(self.pack)
        return pack.read(index) if pack.is_intact(index) else None


Task = Union[FilesTask, PackTask]
_open = functools.lru_cache(maxsize=4)(Pack)


def inspect(task: Task) -> tuple[Records, dict[int, str]]:
    """Return a record for each image, and what else there is to say on some, by place."""
    records = np.zeros(len(task.paths), RECORD)
    details = {}
    with Complaints() as complaints, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Pillow warns of is no complaint of a decoder
        for place, path in enumerate(task.paths):
            detail = _inspect_one(task, place, path, records[place], complaints)
            if detail:
                details[place] = detail
    return records, details


def thumbnails(task: Task) -> NDArray[np.uint8]:
    """Return a thumbnail [256] of each image; those that can't be decoded, as they were changed, are black."""
    thumbs = np.zeros((len(task.paths), THUMB_PX**2), np.uint8)
    for place, thumb in enumerate(thumbs):
        image = look(task, place)
        if image is not None:
            thumb[:] = thumbnail(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
    return thumbs


def look(task: Task, place: int) -> Optional[Image]:
    """Return an image as BGR, large JPEGs smaller; None if it can't be decoded."""
    try:
        with OneImage():
            data = task.read(place) or b""
            return _smaller(data, read_header(data))
    except DataError:
        return None


def _inspect_one(task: Task, place: int, path: str, record: np.void, complaints: "Complaints") -> str:
    """Fill an image's record; return what else there is to say."""
    try:
        with OneImage():
            data = task.read(place)
    except DataError as error:
        record["faults"] = _BIT["too large" if isinstance(error, TooLargeError) else "unreadable"]
        return str(error)
    if not data:
        record["faults"] = _BIT["changed" if data is None else "empty file"]
        return ""
    record["bytes"] = min(len(data), 2**32 - 1)
    record["digest"] = int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")
    header, detail = read_header(data), ""
    if header is not None:
        record["format"] = FORMATS.index(header.format)
        record["faults"] = _notes(data, header)
        if _FORMAT_OF.get(PurePath(path).suffix.lower()) != header.format:
            record["faults"] |= _BIT["wrong suffix"]
            detail = f"is {header.format}"
    try:
        with OneImage():
            image = _smaller(data, header)
    except DataError as error:
        complaints.read()  # is about the same
        record["faults"] |= _BIT[_kind_of(error, data)]
        return str(error)
    assert header is not None  # or it would not have been decoded
    complaint = complaints.read()
    if complaint:
        record["faults"] |= _BIT["damaged"]
    record["width"], record["height"] = (min(side, 65535) for side in (header.width, header.height))
    record["faults"] |= _shape_faults(header.width, header.height)
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    if int(grey.max()) - int(grey.min()) <= _FLAT_LEVELS:
        record["faults"] |= _BIT["one colour"]
    else:
        record["looks"] = looks(grey)
        record["usable"] = True
    return complaint or detail


def _kind_of(error: DataError, data: bytes) -> str:
    if isinstance(error, TooLargeError):
        return "too large"
    if isinstance(error, UnsupportedError):
        return "unsupported"
    return "truncated" if _is_cut(data) else "undecodable"


def _notes(data: bytes, header: Header) -> int:
    """Return what is merely special, as far as Pillow understands the file; it has no say in whether it is used."""
    notes = {"16 bits": header.bits == 16}
    try:
        with OneImage(), Pillow.open(io.BytesIO(data)) as image:
            mode = image.mode
            notes |= {
                "grey": mode in ("1", "L", "LA", "I", "F") or mode.startswith("I;"),
                "CMYK": mode == "CMYK",
                "alpha": mode in ("RGBA", "LA", "PA") or "transparency" in image.info,
                "rotated": image.getexif().get(0x0112, 1) in range(2, 9),
                "animated": getattr(image, "is_animated", False) and image.format != "MPO",
            }
    except DataError:
        pass
    return sum(_BIT[name] for name, found in notes.items() if found)


def _is_cut(data: bytes) -> bool:
    """Return whether a file that can't be decoded lacks its end."""
    try:
        with OneImage(), Pillow.open(io.BytesIO(data)) as image:
            image.load()
    except DataError as error:
        return "truncated" in str(error).lower()
    return False


def _smaller(data: bytes, header: Optional[Header]) -> Image:
    """Decode as training does, but large JPEGs at a half to an eighth: all bytes are read, fewer pixels made."""
    flags, short = cv2.IMREAD_COLOR, min(header.width, header.height) if header else 0
    if header is not None and header.format == "JPEG":
        for factor, reduced in (
            (8, cv2.IMREAD_REDUCED_COLOR_8),
            (4, cv2.IMREAD_REDUCED_COLOR_4),
            (2, cv2.IMREAD_REDUCED_COLOR_2),
        ):
            if short >= 72 * factor:
                flags = reduced
                break
    return decode(data, flags)


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
