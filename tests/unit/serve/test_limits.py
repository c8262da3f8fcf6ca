import struct
import zlib

import cv2
import numpy as np
import pytest

from ppcls.errors import DataError
from ppcls.serve.limits import Limits, check_picture

PICTURE = np.full((40, 50, 3), 90, "uint8")


def png_header(width: int, height: int) -> bytes:
    """A PNG that says it is this large, and has no pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + header
        + struct.pack(">I", zlib.crc32(header))
        + bytes(4)
        + b"IDAT"
    )


@pytest.mark.parametrize("suffix", [".bmp", ".jpg", ".png", ".ppm", ".tif", ".webp"])
def test_every_format_that_predictions_read_is_let_through(suffix: str) -> None:
    check_picture(cv2.imencode(suffix, PICTURE)[1].tobytes(), Limits())


@pytest.mark.parametrize("side", [8_001, 12_000, 60_000, 2**30])
def test_a_decompression_bomb_is_refused_by_its_header(side: int) -> None:
    with pytest.raises(DataError, match="too many pixels"):
        check_picture(png_header(side, side), Limits())


def test_a_picture_at_the_limit_is_let_through() -> None:
    check_picture(png_header(8_000, 8_000), Limits())


def test_a_narrow_picture_is_refused_as_resizing_would_make_it_huge() -> None:
    with pytest.raises(DataError, match="too narrow; received 20000 x 1"):
        check_picture(png_header(20_000, 1), Limits())


def test_a_jpeg_of_very_many_scans_is_refused() -> None:
    data = cv2.imencode(".jpg", PICTURE, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    check_picture(data, Limits())
    with pytest.raises(DataError, match="scans"):
        check_picture(data + 200 * b"\xff\xda\x00\x02", Limits())


@pytest.mark.parametrize("data", [b"", b"hello", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"%PDF-1.4", b"GIF89a\0\0"])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(DataError, match="damaged or no picture"):
        check_picture(data, Limits())
