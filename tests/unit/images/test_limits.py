"""What would take the memory is refused before a pixel is decoded, by whatever way it comes."""

import io
import resource
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ppcls.images.decode import Backend, DecodeImage
from ppcls.images.failures import TooLargeError, UndecodableError
from ppcls.images.header import Header
from ppcls.images.limits import MAX_PIXELS, check_header
from ppcls.images.pipeline import Pipeline
from ppcls.images.sources import read_file
from ppcls.images.transforms.geometry import ResizeImage

REPO = Path(__file__).resolve().parents[3]
RNG = np.random.default_rng(0)


def png(width: int, height: int) -> bytes:
    """A white PNG of 1 bit a pixel, which shrinks a thousand times."""
    packer = zlib.compressobj(9)

    def rows() -> Iterator[bytes]:
        for _ in range(height):
            yield packer.compress(b"\0" + b"\xff" * ((width + 7) // 8))
        yield packer.flush()

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", b"".join(rows())) + chunk(b"IEND", b"")


def tiled(side: int) -> bytes:
    """A TIFF of 8 x 8 pixels in one tile of `side` x `side`."""
    tags = {256: 8, 257: 8, 258: 8, 259: 1, 262: 1, 277: 1, 322: side, 323: side, 324: 8, 325: 64}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(100)


@pytest.mark.parametrize("backend", ["cv2", "pil"])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (png(40_000, 20_000), "too large: 40000 x 20000 pixels, 2,400 MB of memory; at most 178,956,970 pixels"),
        (png(30_000, 1), "too narrow: 30000 x 1 pixels; one side may have 100 times the pixels of the other"),
        (png(1, 101), "too narrow: 1 x 101 pixels"),
        (tiled(1 << 14), "too large: a part of 268,435,456 pixels"),
    ],
    ids=["pixels", "scan line", "narrow", "tile"],
)
def test_what_is_too_large_is_refused_by_its_header(data: bytes, message: str, backend: Backend) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(TooLargeError, match=message):
        DecodeImage(backend=backend)(data)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB


def test_a_chunk_of_a_png_that_says_it_is_long_takes_no_memory() -> None:
    whole, before = png(8, 8), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UndecodableError, match="damaged: a PNG of 8 x 8 that can't be decoded or is cut"):
        DecodeImage()(whole[:33] + b"\x7f\xff\xff\xff" + whole[37:])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB


def test_the_limits_themselves_are_allowed() -> None:
    assert DecodeImage()(png(100, 1)).shape == (1, 100, 3)
    side = int(MAX_PIXELS**0.5)
    check_header(Header("PNG", side, side, scans=100))
    with pytest.raises(TooLargeError, match="too many scans: a JPEG of more than 100; save it again"):
        check_header(Header("JPEG", 8, 8, scans=101))
    with pytest.raises(TooLargeError, match="at most 1,000 pixels are decoded"):
        check_header(Header("PNG", 100, 11), max_pixels=1000)


@pytest.mark.parametrize("side", [1 << 14, 60_000, 1 << 30])
def test_a_header_alone_tells(side: int) -> None:
    with pytest.raises(TooLargeError, match=f"too large: {side} x {side} pixels"):
        DecodeImage()(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))


def test_a_jpeg_of_many_scans_is_refused_and_a_motion_photo_is_not() -> None:
    file = io.BytesIO()
    Image.fromarray(RNG.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(file, "JPEG", progressive=True)
    data = file.getvalue()
    start = data.rindex(b"\xff\xda")
    with pytest.raises(TooLargeError, match="too many scans"):
        DecodeImage()(data[:-2] + data[start:-2] * 200 + b"\xff\xd9")
    film = RNG.integers(0, 256, 1 << 22, dtype=np.uint8).tobytes() + b"\xff\xda\0\2" * 500
    np.testing.assert_array_equal(DecodeImage()(data + film), DecodeImage()(data))


def test_an_array_is_held_to_the_same_limits() -> None:
    with pytest.raises(TooLargeError, match="too narrow: 30000 x 1 pixels"):
        Pipeline([ResizeImage(256)]).sample(np.zeros((1, 30_000, 3), np.uint8), RNG)


def test_a_file_of_many_bytes_is_not_read(tmp_path: Path) -> None:
    with open(tmp_path / "a.jpg", "wb") as file:
        file.truncate(1 << 40)  # a hole, which takes no place on the disk
    with pytest.raises(TooLargeError, match="too large: a file of 1,099,511,627,776 bytes; at most 2,147,483,648"):
        read_file(tmp_path / "a.jpg")


MEMORY_SHORT = """
import resource, sys
sys.path.insert(0, {repo!r})
import cv2
cv2.setNumThreads(1)
import numpy as np
from ppcls.images.decode import DecodeImage
from ppcls.images.failures import TooLargeError, UndecodableError
from ppcls.images.pipeline import Pipeline
from ppcls.images.transforms.geometry import ResizeImage
DecodeImage()(open({small!r}, "rb").read())
data, held = open({large!r}, "rb").read(), int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + 100_000_000,) * 2)
for pipeline, source in (
    (Pipeline([DecodeImage()]), data),
    (Pipeline([DecodeImage(backend="pil")]), data),
    (Pipeline([ResizeImage(12_000)]), np.zeros((64, 64, 3), np.uint8)),
):
    try:
        pipeline.sample(source, np.random.default_rng(0))
    except TooLargeError as error:
        print(error)
"""


def test_an_image_for_which_the_memory_is_too_short_is_not_called_damaged(tmp_path: Path) -> None:
    (tmp_path / "small.png").write_bytes(png(8, 8))
    (tmp_path / "large.png").write_bytes(png(12_000, 12_000))
    script = MEMORY_SHORT.format(repo=str(REPO), small=str(tmp_path / "small.png"), large=str(tmp_path / "large.png"))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.splitlines() == 3 * [
        "too large for the memory that is free; shrink or remove the image, or free memory"
    ], done.stderr
