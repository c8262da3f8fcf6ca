"""Transforms in the form that PaddleX reads."""

from collections.abc import Sequence

import numpy as np

from ppcls.images import stream
from ppcls.registry import Part

# What PaddleX takes for each; source: paddlex/inference/models/image_classification/predictor.py.
ARGUMENTS = {
    "ResizeImage": {"resize_short", "size", "backend", "interpolation"},
    "CropImage": {"size"},
    "NormalizeImage": {"scale", "mean", "std"},
    "ToCHWImage": set[str](),
}
FILTERS = {"cv2": ("nearest", "bicubic", "area"), "pil": ("nearest", "bilinear", "bicubic", "box")}
# Arguments with these values say nothing that would not hold without them, either.
SILENT = (("to_rgb", True), ("to_np", False), ("channel_first", False), ("output_fp16", False), ("channel_num", 3))


def portable(transforms: Sequence[Part]) -> tuple[Part, ...]:
    """Return a list that gives the same images and that PaddleX can read, or where there is none the list itself."""
    plain = [_plain(part) for part in transforms if part.name != "ToCHWImage"]
    found = [*(part for part in plain if part != Part("DecodeImage")), Part("ToCHWImage")]
    return tuple(found if all(map(_is_readable, found)) and _same(found, transforms) else transforms)


def _plain(part: Part) -> Part:
    """Return the part without arguments that say nothing; the order is that of the list."""
    args = {k: v for k, v in part.args.items() if v is not None and k not in ("return_numpy", "order")}
    if args.get("backend", "cv2") == "cv2":  # the default of both, with its filter
        args = {k: v for k, v in args.items() if (k, v) not in (("backend", "cv2"), ("interpolation", "bilinear"))}
    elif part.name == "ResizeImage":
        args.update(backend="pil", interpolation=args.get("interpolation", "bilinear"))
    return Part(part.name, {k: v for k, v in args.items() if (k, v) not in SILENT})


def _is_readable(part: Part) -> bool:
    if part.name not in ARGUMENTS or not set(part.args) <= ARGUMENTS[part.name]:
        return False
    chosen = part.args.get("interpolation")
    return chosen is None or chosen in FILTERS[part.args.get("backend", "cv2")]


def _same(one: Sequence[Part], other: Sequence[Part]) -> bool:
    image = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    pipelines = [stream.pipeline(parts) for parts in (one, other)]
    first, second = (p.finish(p.sample(image, np.random.default_rng(0))[None]) for p in pipelines)
    return np.array_equal(first, second)
