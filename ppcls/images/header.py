"""Format, width and height of an image file from its first bytes: nothing is decoded, no other opinion is asked."""

import re
import struct
from typing import Any, Callable, NamedTuple, Optional

from ppcls.images.avif import MAX_PARTS, box, read_heif

# The next marker of a JPEG that has a segment: no stuffed zero, no fill byte, no restart.
_JPEG_MARKER = re.compile(rb"\xff[^\x00\x01\xff\xd0-\xd7]")
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# What follows a marker's first byte where it is none, or has no segment.
_NO_SEGMENT = {bytes([kind]) for kind in (0x00, 0x01, 0xFF, *range(0xD0, 0xD8))} | {b""}
_JPEG_PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
_MAX_CHUNKS = 100_000
_GAP = rb"(?:\s|#[^\n]*\n)+"
_PNM = re.compile(rb"P([1-6])" + _GAP + rb"(\d{1,9})" + _GAP + rb"(\d{1,9})(?:" + _GAP + rb"(\d{1,5}))?")
_PAM = re.compile(rb"\s(WIDTH|HEIGHT|MAXVAL)\s+(\d{1,9})")
_PFM = re.compile(rb"P[Ff]\s+(\d{1,9})\s+(\d{1,9})\s")
_HDR = re.compile(rb"\n[-+]Y (\d{1,9}) [-+]X (\d{1,9})\n")


class Header(NamedTuple):
    """What an image file says of itself; width and height (pixels) are 0 where its header is cut or damaged.

    `bits`: of a channel, whose `numbers` are unsigned, signed or float. `scans`: passes over the pixels that a JPEG
    asks for. `part_pixels`: of a tile of a TIFF, or a coded image of an AVIF. `turns`: quarter turns to the left that
    an AVIF asks for, before it is `mirrored` top to bottom (0) or left to right (1). `is_cut`: a part of a PNG would
    reach behind the end of the file.
    """

    format: str
    width: int = 0
    height: int = 0
    bits: int = 8
    numbers: str = "unsigned"
    scans: int = 1
    part_pixels: int = 0
    turns: int = 0
    mirrored: Optional[int] = None
    is_cut: bool = False


def read_header(data: bytes) -> Optional[Header]:
    """Return what the bytes of a file say of the image in it; None for bytes of no known image format."""
    for magic, offset, parse in _FORMATS:
        if data.startswith(magic, offset):
            return parse(data)
    return None


def _jpeg(data: bytes) -> Header:
    """Walk the segments up to the first scan; of thumbnails, which lie within segments, nothing is seen."""
    frame, position = 0, 2
    for _ in range(MAX_PARTS):
        if data[position : position + 1] != b"\xff" or data[position + 1 : position + 2] in _NO_SEGMENT:
            marker = _JPEG_MARKER.search(data, position)
            position = marker.start() if marker else len(data)
        if position + 10 > len(data):
            break
        kind = data[position + 1]
        if kind in _JPEG_FRAMES:
            frame = frame or position
        elif kind in (0xD9, 0xDA):
            break
        position += 2 + (data[position + 2] << 8 | data[position + 3])
    if not frame:
        return Header("JPEG")
    bits, height, width, components = _unpack(">BHHB", data, frame + 4)
    in_one_scan = data[frame + 1] not in _JPEG_PROGRESSIVE and data[position + 4 : position + 5] == bytes([components])
    return Header("JPEG", width, height, bits, scans=1 if in_one_scan else _jpeg_scans(data, position))


def _jpeg_scans(data: bytes, position: int) -> int:
    """Count the scans from the first one to the end of the image."""
    scans = 0
    for _ in range(MAX_PARTS):
        marker = _JPEG_MARKER.search(data, position)
        if marker is None or data[marker.end() - 1] == 0xD9:
            break
        scans += data[marker.end() - 1] == 0xDA
        position = marker.end() + int.from_bytes(data[marker.end() : marker.end() + 2], "big")
    return scans


def _png(data: bytes) -> Header:
    """Read the first chunk, and walk over the others: OpenCV takes as much memory as a chunk says to be long."""
    kind, width, height, bits = _unpack(">4sIIB", data, 12)
    if kind != b"IHDR":
        return Header("PNG")
    position, is_cut = 8, True
    for _ in range(_MAX_CHUNKS):
        length = int.from_bytes(data[position : position + 4], "big")
        position += 12 + length
        if position >= len(data) or data[position - 8 - length : position - 4 - length] == b"IEND":
            is_cut = position - 4 > len(data)
            break
    return Header("PNG", width, height, max(bits, 8), is_cut=is_cut)


def _gif(data: bytes) -> Header:
    """Read the size of the screen, or of a larger first image on it."""
    width, height, flags = _unpack("<HHB", data, 6)
    position = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    in_block = False
    for _ in range(MAX_PARTS):
        if in_block:
            (length,) = _unpack("B", data, position)
            position += length + 1
            in_block = length > 0
        elif data[position : position + 1] == b"!":
            position += 2
            in_block = True
        else:
            break
    else:
        return Header("GIF")
    if data[position : position + 1] == b",":
        left, top, image_width, image_height = _unpack("<HHHH", data, position + 1)
        width, height = max(width, left + image_width), max(height, top + image_height)
    return Header("GIF", width, height)


def _bmp(data: bytes) -> Header:
    (size,) = _unpack("<I", data, 14)
    width, height = _unpack("<HH" if size == 12 else "<ii", data, 18)
    return Header("BMP", abs(width), abs(height))


def _webp(data: bytes) -> Header:
    chunk = data[12:16]
    if chunk == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = _unpack("<HH", data, 26)
        return Header("WEBP", width & 0x3FFF, height & 0x3FFF)
    if chunk == b"VP8L" and data[20:21] == b"\x2f" and len(data) >= 25:
        packed = int.from_bytes(data[21:25], "little")
        return Header("WEBP", (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1)
    if chunk == b"VP8X" and len(data) >= 30:
        width, height = (int.from_bytes(data[start : start + 3], "little") + 1 for start in (24, 27))
        return Header("WEBP", width, height)
    return Header("WEBP")


def _tiff(data: bytes) -> Header:
    """Read the tags of the first page, of a classic or a big TIFF."""
    order = "<" if data.startswith(b"II") else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    (start,) = _unpack(order + ("Q" if big else "I"), data, 8 if big else 4)
    (count,) = _unpack(order + ("Q" if big else "H"), data, start)
    first, size = start + (8 if big else 2), 20 if big else 12
    tags: dict[int, int] = {}
    for place in range(first, first + size * min(count, MAX_PARTS), size):
        tag, kind, number = _unpack(order + ("HHQ" if big else "HHI"), data, place)
        code = {1: "B", 3: "H", 4: "I", 16: "Q"}.get(kind)
        if code is not None:
            value = place + (12 if big else 8)
            if number * struct.calcsize(code) > (8 if big else 4):
                (value,) = _unpack(order + ("Q" if big else "I"), data, value)
            (tags[tag],) = _unpack(order + code, data, value)
    return Header(
        "TIFF",
        tags.get(256, 0),
        tags.get(257, 0),
        tags.get(258, 1),
        {2: "signed", 3: "float", 5: "signed", 6: "float"}.get(tags.get(339, 1), "unsigned"),
        part_pixels=tags.get(322, 0) * tags.get(323, 0),
    )


def _heif(data: bytes) -> Optional[Header]:
    brands = data[8 : int.from_bytes(data[:4], "big")]
    known = {b"avif": "AVIF", b"avis": "AVIF", b"heic": "HEIC", b"heix": "HEIC", b"hevc": "HEIC", b"mif1": "HEIC"}
    name = next((name for brand, name in known.items() if brand in brands), None)
    if name is None:
        return None  # a film
    try:
        size, coded, turns, mirrored = read_heif(data)
    except ValueError:
        return Header(name)
    width, height = size or coded or (0, 0)
    part_pixels = coded[0] * coded[1] if coded else 0
    return Header(name, width, height, part_pixels=part_pixels, turns=turns, mirrored=mirrored)


def _jp2(data: bytes) -> Header:
    try:
        return _codestream(box(data, b"jp2c"))
    except ValueError:
        return Header("JPEG 2000")


def _codestream(data: bytes) -> Header:
    """Read the size of a JPEG 2000 codestream."""
    start, right, bottom, left, top, bits = _unpack(">I4xIIII18xB", data, 0)
    if start != 0xFF4FFF51 or right <= left or bottom <= top:
        return Header("JPEG 2000")
    return Header("JPEG 2000", right - left, bottom - top, (bits & 0x7F) + 1)


def _pnm(data: bytes) -> Header:
    if data.startswith(b"P7"):
        values = {key: int(value) for key, value in _PAM.findall(data[:1024].partition(b"ENDHDR")[0])}
        bits = 16 if values.get(b"MAXVAL", 255) > 255 else 8
        return Header("PNM", values.get(b"WIDTH", 0), values.get(b"HEIGHT", 0), bits)
    found = _PFM.match(data[:1024])
    if found:
        return Header("PFM", int(found[1]), int(found[2]), 32, "float")
    found = _PNM.match(data[:65536])
    if not found:
        return Header("PNM")
    deep = found[1] not in b"14" and int(found[4] or 255) > 255
    return Header("PNM", int(found[2]), int(found[3]), 16 if deep else 8)


def _sun(data: bytes) -> Header:
    return Header("Sun raster", *_unpack(">II", data, 4))


def _hdr(data: bytes) -> Header:
    found = _HDR.search(data[:65536])
    height, width = (int(found[1]), int(found[2])) if found else (0, 0)
    return Header("HDR", width, height, 32, "float")


def _unpack(form: str, data: bytes, offset: int) -> Any:
    """Return the numbers that stand at an offset, with zeros for what is behind the end of the data."""
    size = struct.calcsize(form)
    return struct.unpack(form, data[offset : offset + size].ljust(size, b"\0"))


# First bytes, where they stand, and what reads on.
_FORMATS: tuple[tuple[bytes, int, Callable[[bytes], Optional[Header]]], ...] = (
    (b"\xff\xd8\xff", 0, _jpeg),
    (b"\x89PNG\r\n\x1a\n", 0, _png),
    (b"WEBP", 8, _webp),
    (b"GIF87a", 0, _gif),
    (b"GIF89a", 0, _gif),
    (b"BM", 0, _bmp),
    (b"II*\0", 0, _tiff),
    (b"MM\0*", 0, _tiff),
    (b"II+\0", 0, _tiff),
    (b"MM\0+", 0, _tiff),
    (b"ftyp", 4, _heif),
    (b"\0\0\0\x0cjP  \r\n\x87\n", 0, _jp2),
    (b"\xff\x4f\xff\x51", 0, _codestream),
    *((f"P{kind}".encode(), 0, _pnm) for kind in "1234567Ff"),
    (b"\x59\xa6\x6a\x95", 0, _sun),
    (b"#?RADIANCE", 0, _hdr),
    (b"#?RGBE", 0, _hdr),
)
