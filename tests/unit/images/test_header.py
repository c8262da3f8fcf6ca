"""The size of an image is known from its header, whatever is wrong with the rest."""

import io
import struct
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, features

from ppcls.images.header import Header, read_header

RGB = Image.fromarray(cv2.resize(np.random.default_rng(0).integers(0, 256, (7, 9, 3), dtype=np.uint8), (96, 64)))
DEEP = Image.fromarray(np.full((64, 96), 3000, np.uint16))


def saved(kind: str, image: Image.Image = RGB, **options: Any) -> bytes:
    file = io.BytesIO()
    image.copy().save(file, kind, **options)
    return file.getvalue()


def of_several(kind: str) -> bytes:
    return saved(kind, save_all=True, append_images=[RGB.rotate(180)])


FILES = {
    "JPEG": saved("JPEG"),
    "JPEG progressive": saved("JPEG", progressive=True),
    "JPEG CMYK": saved("JPEG", RGB.convert("CMYK")),
    "JPEG of several images": of_several("MPO"),
    "PNG": saved("PNG"),
    "PNG 1 bit": saved("PNG", RGB.convert("1")),
    "PNG 16 bits": saved("PNG", DEEP),
    "GIF": of_several("GIF"),
    "BMP": saved("BMP"),
    "WEBP": saved("WEBP"),
    "WEBP lossless": saved("WEBP", lossless=True),
    "WEBP alpha": saved("WEBP", RGB.convert("RGBA")),
    "WEBP of several images": of_several("WEBP"),
    "TIFF": saved("TIFF", compression="tiff_lzw"),
    "TIFF of several images": of_several("TIFF"),
    "TIFF 16 bits": saved("TIFF", DEEP),
    "TIFF 32-bit float": saved("TIFF", Image.fromarray(np.zeros((64, 96), np.float32))),
    "PNM": saved("PPM"),
    "PNM 1 bit": saved("PPM", RGB.convert("1")),
    "PNM 16 bits": cv2.imencode(".pgm", np.asarray(DEEP))[1].tobytes(),
    "Sun raster": cv2.imencode(".ras", np.asarray(RGB))[1].tobytes(),
}
if features.check("jpg_2000"):
    FILES["JPEG 2000"] = saved("JPEG2000")
    FILES["JPEG 2000 codestream"] = saved("JPEG2000", no_jp2=True)
if features.check("avif"):
    FILES["AVIF"] = saved("AVIF")
    FILES["AVIF of several images"] = of_several("AVIF")


@pytest.mark.parametrize("kind", FILES)
def test_format_and_size_are_those_of_the_image(kind: str) -> None:
    header = read_header(FILES[kind])
    assert header is not None and kind.startswith(header.format)
    assert (header.width, header.height) == (96, 64)
    assert header.bits == (16 if "16 bits" in kind else 32 if "float" in kind else 8)
    assert header.numbers == ("float" if "float" in kind else "unsigned")


def test_photographs_have_the_size_that_is_decoded(shared: Path) -> None:
    for file in sorted((shared / "data/imagenette-mini/val").glob("*/*"))[::10]:
        header, decoded = read_header(file.read_bytes()), cv2.imread(str(file), cv2.IMREAD_COLOR_RGB)
        assert header is not None and (header.height, header.width) == decoded.shape[:2]


@pytest.mark.parametrize("kind", FILES)
def test_a_cut_file_has_the_same_size_or_none(kind: str) -> None:
    data = FILES[kind]
    sizes = {(header.width, header.height) for cut in range(len(data)) if (header := read_header(data[:cut]))}
    assert {(96, 64)} <= sizes <= {(96, 64), (0, 0), (96, 0), (9, 0)} | {(96, 6)}


def test_other_files_are_no_images() -> None:
    for data in (
        b"",
        b"text",
        b"%PDF-1.7",
        b"\xff\xd8",
        b"\x89PNG",
        b"RIFF\0\0\0\0WAVE",
        bytes(100),
        b"\0\0\0\x14ftypmp42" + bytes(8),
    ):
        assert read_header(data) is None


def test_the_frame_of_a_thumbnail_is_not_the_one_of_the_image() -> None:
    thumbnail = saved("JPEG", RGB.resize((16, 8)))
    segment = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    assert read_header(FILES["JPEG"][:2] + segment + FILES["JPEG"][2:]) == Header("JPEG", 96, 64)


def test_scans_are_counted_to_the_end_of_the_image_and_not_behind_it() -> None:
    data = FILES["JPEG progressive"]
    header = read_header(data)
    assert header is not None and header.scans == data.count(b"\xff\xda") > 5
    assert read_header(data + b"\xff\xda\x00\x02" * 500) == header  # the film of a motion photo
    repeated = data[:-2] + data[data.rindex(b"\xff\xda") : -2] * 200 + b"\xff\xd9"
    more = read_header(repeated)
    assert more is not None and more.scans == header.scans + 200
    assert read_header(FILES["JPEG"]) == Header("JPEG", 96, 64)


def test_a_size_that_the_decoder_would_go_beyond_is_not_believed() -> None:
    screen = bytearray(FILES["GIF"])
    screen[6:10] = struct.pack("<HH", 8, 8)
    assert read_header(bytes(screen)) == Header("GIF", 96, 64)
    for kind in ("AVIF", "AVIF of several images"):
        if kind not in FILES:
            pytest.skip("this Pillow writes no AVIF")
        data = FILES[kind]
        place = data.index(b"ispe") + 8
        header = read_header(data[:place] + struct.pack(">II", 8, 8) + data[place + 8 :])
        assert header is not None and (header.width, header.height, header.part_pixels) == (8, 8, 96 * 64)


def test_a_chunk_that_is_longer_than_the_file_is_a_cut() -> None:
    whole = FILES["PNG"]
    header = read_header(whole)
    assert header is not None and not header.is_cut and read_header(whole + b"more") == header
    for data in (whole[:-30], whole[:33] + b"\xff\0\0\0" + whole[37:], whole[:33] + bytes(12) * 200_000 + whole[33:]):
        cut = read_header(data)
        assert cut is not None and cut == header._replace(is_cut=True)


def test_an_avif_says_how_it_is_turned() -> None:
    if "AVIF" not in FILES:
        pytest.skip("this Pillow writes no AVIF")
    exif = Image.Exif()
    exif[0x0112] = 5
    header = read_header(saved("AVIF", exif=exif))
    assert header is not None and (header.width, header.height) == (96, 64)
    assert (header.turns, header.mirrored) == (1, 0)


def hostile_avif(meta: bytes, rest: bytes = b"") -> bytes:
    def box(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", 8 + len(content)) + kind + content

    return box(b"ftyp", b"avif" + bytes(4)) + box(b"meta", bytes(4) + box(b"iloc", meta)) + rest


HOSTILE = {
    "AVIF extents": hostile_avif(b"\0\0\0\0\x44\0\xff\xff" + (b"\0\1\0\0\xff\xff" + bytes(8 * 65535)) * 40),
    "AVIF streams": hostile_avif(
        b"\0\0\0\0\x44\0\3\xe8" + b"\0\1\0\0\0\1\0\0\0\x64\0\0\x4e\x20" * 1000, b"\x12\0" * 10**7
    ),
    "AVIF boxes": b"\0\0\0\x18ftypavif" + bytes(12) + b"\0\0\0\x08free" * 2_000_000,
    "JPEG segments": b"\xff\xd8" + b"\xff\xfe\x00\x02" * 4_000_000,
    "JPEG scans": b"\xff\xd8\xff\xc2\x00\x0b\x08\x00\x01\x00\x01\x01\x01\x11\x00" + b"\xff\xda\x00\x02\x00" * 3_000_000,
    "JPEG fill bytes": b"\xff\xd8\xff" + b"\xff" * 16_000_000,
    "GIF blocks": b"GIF89a\1\0\1\0\0\0\0" + b"!\xfe" + b"\1x" * 8_000_000,
    "PNG chunks": FILES["PNG"][:33] + bytes(12) * 2_000_000,
    "PNM comments": b"P6" + b" #\n" * 5_000_000,
    "TIFF tags": b"II+\0\x08\0\0\0\x10" + bytes(7) + b"\xff" * 16_000_000,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_files_take_no_time(kind: str) -> None:
    started = time.process_time()
    header = read_header(HOSTILE[kind])
    assert header is not None and kind.startswith(header.format)
    assert time.process_time() - started < 0.5


def test_no_bytes_whatever_raise() -> None:
    rng = np.random.default_rng(0)
    for data in FILES.values():
        for _ in range(150):
            changed = bytearray(data[: rng.integers(1, 400)])
            for place in rng.integers(0, len(changed), 4):
                changed[place] = rng.integers(256)
            read_header(bytes(changed))
