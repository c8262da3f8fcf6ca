"""What a file is that can't be decoded, in words, and what to do about it."""

from typing import Optional

import cv2
import numpy as np

from ppcls.images.failures import UndecodableError, UnsupportedError, out_of_memory
from ppcls.images.header import Header

_CONVERT = "save it as JPEG or PNG"
# First bytes of other files, and those of images that no decoder here reads.
_UNSUPPORTED = {
    b"\xff\x0a": "a JPEG XL image",
    b"\0\0\0\x0cJXL ": "a JPEG XL image",
    b"v/1\x01": "an OpenEXR image",
    b"8BPS": "a Photoshop file",
    b"\0\0\1\0": "an icon (ICO)",
    b"%PDF": "a PDF document",
}
_NO_IMAGE = {
    b"version https://git-lfs": ("a Git LFS pointer instead of the file", "run `git lfs pull`"),
    b"\0\5\x16\7": ("metadata of macOS (AppleDouble)", "remove it"),
    b"PK\3\4": ("a ZIP archive", "unpack it"),
    b"\x1f\x8b": ("a gzip archive", "unpack it"),
}
# The formats that OpenCV may be built without.
_CODECS = {"AVIF": ".avif", "GIF": ".gif", "JPEG 2000": ".jp2", "TIFF": ".tiff", "WEBP": ".webp"}


def require_supported(header: Header) -> None:
    """Raise UnsupportedError for an image that is known beforehand not to be decoded, or to come out wrong."""
    if header.format == "HEIC":
        raise UnsupportedError(f"unsupported: a HEIC image; {_CONVERT}")
    if header.bits > 16 or header.numbers != "unsigned":
        kind = "float" if header.numbers == "float" else f"{header.numbers} integer"
        raise UnsupportedError(
            f"unsupported: a {header.format} of {header.bits}-bit {kind} numbers, whose range is not known; "
            "scale it to 8 or 16 bits"
        )


def failure(data: bytes, header: Optional[Header]) -> UndecodableError:
    """Return the error for the bytes of a file that could not be decoded."""
    if header is None:
        return _foreign(data)
    if not header.width or not header.height:
        return UndecodableError(f"damaged: a {header.format} whose header is cut or wrong; replace or remove it")
    if header.format in _CODECS and not cv2.haveImageWriter(f"image{_CODECS[header.format]}"):
        return UnsupportedError(
            f"unsupported: a {header.format}, which OpenCV {cv2.__version__} was built without here; {_CONVERT}"
        )
    try:
        np.empty((2, header.height, header.width, 3), np.uint8)
    except MemoryError:
        return out_of_memory()
    return UndecodableError(
        f"damaged: a {header.format} of {header.width} x {header.height} that can't be decoded or is cut; "
        "replace or remove it"
    )


def _foreign(data: bytes) -> UndecodableError:
    """Return the error for bytes of no known image format."""
    for magic, name in _UNSUPPORTED.items():
        if data.startswith(magic):
            return UnsupportedError(f"unsupported: {name}; {_CONVERT}")
    start = data[:1024].removeprefix(b"\xef\xbb\xbf").lstrip().lower() if data else b""
    if b"<svg" in start:
        return UnsupportedError("unsupported: an SVG drawing; save it as PNG")
    what, remedy = f"{len(data):,} bytes starting with {data[:8]!r}", "replace or remove it"
    if start.startswith((b"<!doctype html", b"<html")):
        what, remedy = "an HTML page instead of the file", "download it again"
    elif not data.strip(b"\0"):
        what = f"{len(data):,} zero bytes" if data else "an empty file"
    for magic, known in _NO_IMAGE.items():
        if data.startswith(magic):
            what, remedy = known
    return UndecodableError(f"no image: {what}; {remedy}")
