"""What a HEIF file (HEIC or AVIF) says of its images, in its boxes and in the headers of its AV1 streams.

Source: ISO/IEC 14496-12 (boxes), ISO/IEC 23008-12 (items), the AV1 bitstream specification, 5.3 to 5.5.
"""

from collections.abc import Iterator
from typing import NamedTuple, Optional

# A hostile file may have millions of boxes, streams, or OBUs in one; more than this counts as damage.
MAX_PARTS = 10_000
_MAX_STREAMS, _MAX_OBUS = 1000, 64

_SEQUENCE, _FRAMES = 1, (3, 6)


class Heif(NamedTuple):
    """Sizes are (width, height) in pixels: of the image, and of the largest stream; None where none is said."""

    size: Optional[tuple[int, int]]
    coded: Optional[tuple[int, int]]
    turns: int
    mirrored: Optional[int]


def read_heif(data: bytes) -> Heif:
    """Return what the boxes say; the largest size, as thumbnails and tiles are smaller. Raises ValueError."""
    meta = box(data, b"meta")[4:]
    properties = boxes(box(box(meta, b"iprp"), b"ipco"))
    sizes = [(_number(content, 4, 4), _number(content, 8, 4)) for kind, content in properties if kind == b"ispe"]
    first = {kind: content[0] for kind, content in reversed(properties) if content}
    streams = [*_items(data, meta), *_chunks(data)]
    coded = [size for stream, start in streams if (size := _sequence_size(stream, start))]
    return Heif(
        max(sizes, key=_area, default=None),
        max(coded, key=_area, default=None),
        first.get(b"irot", 0) & 3,
        first[b"imir"] & 1 if b"imir" in first else None,
    )


def boxes(data: bytes) -> list[tuple[bytes, bytes]]:
    """Return the kinds and contents of the boxes that follow each other. Raises ValueError if they are too many."""
    found: list[tuple[bytes, bytes]] = []
    position = 0
    while position + 8 <= len(data):
        length, head = _number(data, position, 4), 8
        if length == 1:
            length, head = _number(data, position + 8, 8), 16
        end = position + max(length, head) if length else len(data)
        found.append((data[position + 4 : position + 8], data[position + head : end]))
        position = end
        if len(found) > MAX_PARTS:
            raise ValueError("too many boxes")
    return found


def box(data: bytes, kind: bytes) -> bytes:
    """Return the content of the first box of a kind; empty where there is none."""
    return next((content for found, content in boxes(data) if found == kind), b"")


def _area(size: tuple[int, int]) -> int:
    return size[0] * size[1]


def _number(data: bytes, position: int, size: int) -> int:
    return int.from_bytes(data[position : position + size], "big")


def _items(data: bytes, meta: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield the contents of the items, and 0, by the box `iloc`: from the file, or from the box `idat`."""
    iloc, idat = box(meta, b"iloc"), box(meta, b"idat")
    version, position = _number(iloc, 0, 1), 6
    offset_size, length_size = _number(iloc, 4, 1) >> 4, _number(iloc, 4, 1) & 15
    base_size, index_size = _number(iloc, 5, 1) >> 4, _number(iloc, 5, 1) & 15

    def read(size: int) -> int:
        nonlocal position
        position += size
        return _number(iloc, position - size, size)

    left = len(data)
    for _ in range(_at_most(_MAX_STREAMS, read(2 if version < 2 else 4))):
        read(2 if version < 2 else 4)
        source = idat if version and read(2) & 15 == 1 else data
        read(2)
        base, content = read(base_size), b""
        for _ in range(_at_most(_MAX_STREAMS, read(2))):
            if version:
                read(index_size)
            start, length = base + read(offset_size), read(length_size)
            left -= min(length or len(source), len(source))
            if left < 0:
                raise ValueError("items overlap")
            content += source[start : start + length if length else None]
        yield content, 0


def _chunks(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield the file, and where the first chunk of each track of its film begins."""
    tracks = [content for kind, content in boxes(box(data, b"moov")) if kind == b"trak"]
    for track in tracks[: _at_most(_MAX_STREAMS, len(tracks))]:
        table = box(box(box(track, b"mdia"), b"minf"), b"stbl")
        for name, size in ((b"stco", 4), (b"co64", 8)):
            if offsets := box(table, name):
                yield data, _number(offsets, 8, size)


def _at_most(limit: int, count: int) -> int:
    if count > limit:
        raise ValueError(f"more than {limit} streams")
    return count


def _sequence_size(stream: bytes, position: int) -> Optional[tuple[int, int]]:
    """Return the size that the sequence header of an AV1 stream allows; None for what is no such stream."""
    for _ in range(_MAX_OBUS):
        head = _number(stream, position, 1)
        kind = head >> 3 & 15
        if position >= len(stream) or head & 0x81 or kind in _FRAMES:
            return None
        position += 2 if head & 4 else 1
        size = len(stream) - position
        if head & 2:
            size, position = _leb128(stream, position)
        if kind == _SEQUENCE:
            return _size_in(_Bits(stream[position : position + min(size, 1024)]))
        position += size
    raise ValueError("too many OBUs")


def _leb128(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for place in range(8):
        byte = _number(data, position + place, 1)
        value |= (byte & 127) << 7 * place
        if byte < 128:
            break
    return value, position + place + 1


class _Bits:
    """Reads numbers of some bits from the highest one on; behind the end there are zeros."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "big"), 8 * len(data)

    def read(self, count: int) -> int:
        self._left -= count
        return (self._value >> self._left if self._left >= 0 else 0) & ((1 << count) - 1)


def _size_in(bits: _Bits) -> tuple[int, int]:
    """Read a sequence header up to the largest width and height of its frames."""
    bits.read(4)
    if bits.read(1):  # a still image, whose header is short
        bits.read(5)
    else:
        delay_bits = _skip_timing(bits)
        has_delay = bits.read(1)
        for _ in range(bits.read(5) + 1):
            bits.read(12)
            if bits.read(5) > 7:
                bits.read(1)
            if delay_bits and bits.read(1):
                bits.read(2 * delay_bits + 1)
            if has_delay and bits.read(1):
                bits.read(4)
    width_bits, height_bits = bits.read(4) + 1, bits.read(4) + 1
    return bits.read(width_bits) + 1, bits.read(height_bits) + 1


def _skip_timing(bits: _Bits) -> int:
    """Read the timing and the decoder model; return the bits of a delay, 0 without a model."""
    if not bits.read(1):
        return 0
    bits.read(64)
    if bits.read(1):  # a number in Exp-Golomb code
        zeros = 0
        while zeros < 32 and not bits.read(1):
            zeros += 1
        bits.read(zeros)
    if not bits.read(1):
        return 0
    delay_bits = bits.read(5) + 1
    bits.read(42)
    return delay_bits
