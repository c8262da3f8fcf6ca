"""A data set with one of every fault, made of small generated images."""

import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as Pillow

Image = np.ndarray


def scene(seed: int, width: int = 64, height: int = 48) -> Image:
    """A smooth image that looks like no other."""
    coarse = np.random.default_rng(seed).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def jpeg(image: Image, quality: int = 95) -> bytes:
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def png(image: Image) -> bytes:
    return cv2.imencode(".png", image)[1].tobytes()


def by_pillow(image: Pillow.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def rotated(image: Image) -> bytes:
    exif = Pillow.Exif()
    exif[0x0112] = 6
    return by_pillow(Pillow.fromarray(image), "JPEG", exif=exif)


def damaged(image: Image) -> bytes:
    """A JPEG whose middle was overwritten, and which a decoder shows all the same."""
    data = bytearray(jpeg(image))
    start = len(data) // 2
    data[start : start + 60] = bytes(60)
    return bytes(data)


def frames(first: Image, second: Image) -> bytes:
    images = [Pillow.fromarray(first), Pillow.fromarray(second)]
    return by_pillow(images[0], "TIFF", save_all=True, append_images=images[1:])


# What goes into train/cat, by the kind of finding that it must lead to.
FILES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "empty file": ("empty.jpg", lambda: b""),
    "undecodable": ("page.jpg", lambda: b"<html>404 not found</html>"),
    "truncated": ("cut.jpg", lambda: jpeg(scene(1))[:-400]),
    "too large": ("line.png", lambda: png(scene(14, 3000, 1))),
    "unsupported": ("float.tif", lambda: by_pillow(Pillow.fromarray(scene(15)[..., 0].astype(np.float32)), "TIFF")),
    "damaged": ("damaged.jpg", lambda: damaged(scene(2, 640, 480))),
    "wrong suffix": ("really_png.jpg", lambda: png(scene(3))),
    "one colour": ("blank.png", lambda: png(np.full((48, 64, 3), 200, np.uint8))),
    "tiny": ("icon.png", lambda: png(scene(4, 12, 12))),
    "huge": ("poster.jpg", lambda: jpeg(cv2.resize(scene(5), (6400, 6400)))),
    "long and thin": ("strip.png", lambda: png(scene(6, 400, 40))),
    "animated": ("pages.tiff", lambda: frames(scene(7), scene(8))),
    "grey": ("grey.jpg", lambda: jpeg(cv2.cvtColor(scene(9), cv2.COLOR_BGR2GRAY))),
    "CMYK": ("print.jpg", lambda: by_pillow(Pillow.fromarray(scene(10)).convert("CMYK"), "JPEG")),
    "alpha": ("alpha.png", lambda: png(np.dstack([scene(11), np.full((48, 64), 128, np.uint8)]))),
    "16 bits": ("deep.png", lambda: png(cv2.cvtColor(scene(12), cv2.COLOR_BGR2GRAY).astype(np.uint16) * 257)),
    "rotated": ("turned.jpg", lambda: rotated(scene(13))),
}


def plant(root: Path) -> None:
    """Write train/ and val/ with class folders below `root`, with one fault of every kind that folders can have."""

    def write(path: str, data: bytes) -> None:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)

    for name, make in FILES.values():
        write(f"train/cat/{name}", make())
    (root / "train/cat/gone.jpg").symlink_to(root / "nowhere.jpg")
    for index in range(60):
        write(f"train/dog/{index}.jpg", jpeg(scene(100 + index)))
    for index in range(6):
        write(f"val/cat/{index}.jpg", jpeg(scene(200 + index)))
        write(f"val/dog/{index}.jpg", jpeg(scene(300 + index)))
        write(f"train/bird/{index}.jpg", jpeg(scene(400 + index)))
    write("train/dog/again.jpg", jpeg(scene(100)))  # copies
    write("train/bird/dog.jpg", jpeg(scene(101)))  # copies with two labels
    write("train/dog/smaller.jpg", jpeg(cv2.resize(scene(102, 320, 240), (160, 120)), 40))  # near copies, of 102
    write("train/bird/brighter.jpg", jpeg(cv2.convertScaleAbs(scene(103), alpha=0.9, beta=12)))  # with two labels
    write("val/dog/seen.jpg", jpeg(scene(104)))  # leak
    write("val/dog/seen_smaller.jpg", jpeg(scene(105, 50, 38), 60))  # near leak
    for index in range(3):
        write(f"train/Dog/{index}.jpg", jpeg(scene(500 + index)))  # twin classes, rare class, other classes
    write("val/horse/0.jpg", jpeg(scene(600)))  # other classes
    (root / "train/empty").mkdir()
    write("train/stray.jpg", jpeg(scene(700)))  # outside a class
    write("train/dog/notes.txt", b"notes")  # not an image
    write("train/dog/Thumbs.db", b"thumbnails")  # hidden


# What `plant` leads to beside FILES.
OTHERS = {
    "unreadable", "copies", "copies with two labels", "near copies", "near copies with two labels", "leak", "near leak",
    "twin classes", "rare class", "other classes", "empty class", "outside a class", "not an image", "hidden",
    "no images",
    "imbalance", "never trained",
}  # fmt: skip


def plant_list(root: Path) -> str:
    """Write images and a list of them with one fault of every kind that lists can have; return the list's path."""
    for index in range(3):
        (root / f"{index} x.jpg").write_bytes(jpeg(scene(index)))
    lines = [
        "0 x.jpg 0",
        "1 x.jpg 1",
        "# comment",
        "2 x.jpg 2.5",
        "0 x.jpg 0",
        "./0 x.jpg 1",
        "gone.jpg 1",
        "2 x.jpg 7",
    ]
    (root / "list.txt").write_text("\n".join(lines))
    return str(root / "list.txt")
