"""Decodes mutated images of every format, in a process of its own: python mutated.py COUNT SEED.

Prints as JSON how many were decoded, how many refused, which formats are not tried and why, and how the memory grew.
A mutation is made again by its seed and number.
Anything but an image or a refusal of one line ends it.
"""

import ctypes
import gc
import io
import json
import os
import resource
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ["OPENCV_LOG_LEVEL"] = "SILENT"

import cv2
import numpy as np
from PIL import Image

from ppcls import environment
from ppcls.images.decode import DecodeImage
from ppcls.images.failures import UndecodableError, UnsupportedError
from ppcls.images.limits import MAX_PIXELS
from ppcls.images.pipeline import Pipeline
from ppcls.images.transforms.geometry import CropImage, ResizeImage

LEVELS = cv2.resize(np.random.default_rng(0).integers(0, 256, (7, 9, 3), dtype=np.uint8), (48, 32))
RGB = Image.fromarray(LEVELS)
# Numbers that decoders stumble over.
EXTREMES = [b"\0", b"\xff", b"\x80", b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x80\0\0\0", b"\0\0\1\0"]


def saved(kind: str, image: Image.Image = RGB, **options: Any) -> Callable[[], bytes]:
    def make() -> bytes:
        file = io.BytesIO()
        image.copy().save(file, kind, **options)
        return file.getvalue()

    return make


def encoded(suffix: str, image: np.ndarray = LEVELS) -> Callable[[], bytes]:
    return lambda: cv2.imencode(suffix, image)[1].tobytes()


def several(kind: str) -> Callable[[], bytes]:
    return saved(kind, save_all=True, append_images=[RGB.rotate(180)])


EXIF = Image.Exif()
EXIF[0x0112] = 6
DEEP = LEVELS[..., 0].astype(np.uint16) * 200
SEEDS: dict[str, list[Callable[[], bytes]]] = {
    "JPEG": [
        saved("JPEG", exif=EXIF), saved("JPEG", progressive=True), saved("JPEG", RGB.convert("CMYK")),
        saved("JPEG", RGB.convert("L"), restart_marker_blocks=2), several("MPO"),
    ],
    "PNG": [
        saved("PNG", exif=EXIF), saved("PNG", RGB.convert("1")), saved("PNG", RGB.quantize(16), transparency=3),
        saved("PNG", RGB.convert("RGBA")), encoded(".png", DEEP), several("PNG"),
    ],
    "GIF": [saved("GIF"), several("GIF")],
    "BMP": [saved("BMP"), saved("BMP", RGB.quantize(16)), saved("BMP", RGB.convert("1")), encoded(".bmp")],
    "WEBP": [
        saved("WEBP"), saved("WEBP", lossless=True, exif=EXIF), saved("WEBP", RGB.convert("RGBA")), several("WEBP"),
    ],
    "TIFF": [
        saved("TIFF"), saved("TIFF", compression="tiff_lzw"), saved("TIFF", compression="tiff_adobe_deflate"),
        saved("TIFF", RGB.convert("1"), compression="group4"), saved("TIFF", big_tiff=True), encoded(".tiff", DEEP),
        several("TIFF"), saved("TIFF", RGB.convert("CMYK")), saved("TIFF", compression="jpeg"),
    ],
    "AVIF": [saved("AVIF", exif=EXIF), several("AVIF")],
    "JPEG 2000": [saved("JPEG2000"), saved("JPEG2000", no_jp2=True), saved("JPEG2000", irreversible=True)],
    "PNM": [saved("PPM"), saved("PPM", RGB.convert("L")), saved("PPM", RGB.convert("1")), encoded(".pgm", DEEP),
            encoded(".pam"), lambda: b"P3 2 2 255 " + b"1 2 3 " * 4],
    "Sun raster": [encoded(".ras")],
}  # fmt: skip


def usable_seeds() -> tuple[dict[str, list[bytes]], dict[str, str]]:
    """Return the whole files by format, and why those formats are not tried that this machine can't write or read."""
    usable: dict[str, list[bytes]] = {}
    missing: dict[str, str] = {}
    for kind, makers in SEEDS.items():
        try:
            usable[kind] = [make() for make in makers]
            for data in usable[kind]:
                DecodeImage()(data)
        except (UnsupportedError, OSError, KeyError, AttributeError, cv2.error) as error:
            usable.pop(kind, None)
            missing[kind] = str(error)
    return usable, missing


def mutated(data: bytes, others: list[bytes], rng: np.random.Generator) -> bytes:
    """Return the bytes with a few changes, most of them near the start, where the headers are."""
    changed = bytearray(data)
    for _ in range(rng.integers(1, 5)):
        place = min(int(len(changed) * rng.random() ** rng.integers(1, 4)), max(len(changed) - 1, 0))
        kind = rng.integers(7)
        if kind == 0:
            changed[place : place + 1] = rng.bytes(1)
        elif kind == 1:
            extreme = EXTREMES[rng.integers(len(EXTREMES))]
            changed[place : place + len(extreme)] = extreme
        elif kind == 2:
            del changed[place:]
        elif kind == 3:
            del changed[place : place + rng.integers(1, 40)]
        elif kind == 4:
            changed[place:place] = rng.bytes(int(rng.integers(1, 40)))
        elif kind == 5:
            other = others[rng.integers(len(others))]
            start = rng.integers(len(other))
            changed[place:place] = other[start : start + rng.integers(1, 200)]
        elif changed:
            changed[place] ^= 1 << rng.integers(8)
    return bytes(changed)


def mutations(usable: dict[str, list[bytes]], count: int, seed: int) -> Iterator[bytes]:
    """Yield so many, of all formats in turn."""
    kinds, every = list(usable.values()), [data for seeds in usable.values() for data in seeds]
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        seeds = kinds[number % len(kinds)]
        yield mutated(seeds[rng.integers(len(seeds))], every, rng)


def held_mb() -> float:
    """Return the memory that is really in use, in MB."""
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def main(count: int, seed: int) -> None:
    warnings.simplefilter("ignore")  # what Pillow says of odd tags
    usable, missing = usable_seeds()
    end = [ResizeImage(24), CropImage(16)]
    pipelines = [Pipeline([DecodeImage(), *end]), Pipeline([DecodeImage(backend="pil"), *end])]
    told: dict[str, int] = {}
    before = 0.0
    for number, data in enumerate(mutations(usable, count, seed)):
        if number == count // 5:
            before = held_mb()
        for pipeline in pipelines:
            try:
                image = pipeline.decode(data)
                assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3 and 0 < image.size
                assert image.size <= 3 * MAX_PIXELS, image.shape
                assert pipeline.transform(image, np.random.default_rng(0)).shape == (16, 16, 3)
                outcome = "decoded"
            except UndecodableError as error:
                text = str(error)
                assert text.isprintable() and len(text) < 300, (number, text)
                outcome = text.split(":")[0].split(" ")[0]
            told[outcome] = told.get(outcome, 0) + 1
    grown = held_mb() - before
    # Not ru_maxrss, which also counts the process that started this one.
    memory = {"grown_mb": round(grown), "peak_mb": round(environment.peak_memory_mib() * 1.048576)}
    print(json.dumps({"formats": list(usable), "missing": missing, "told": told, **memory}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
