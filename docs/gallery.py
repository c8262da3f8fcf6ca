"""Writes docs/transforms.md and docs/gallery/: what each transform does to an image that is drawn here.

`python docs/gallery.py`
"""

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import cv2
import numpy as np
from landscape import landscape
from numpy.typing import NDArray

from ppcls.config.describe import describe
from ppcls.config.signature import REQUIRED, arguments_of
from ppcls.images import BATCH_TRANSFORMS, TRANSFORMS
from ppcls.images.decode import Image
from ppcls.images.mixing.operators import Candidate
from ppcls.images.pipeline import Pipeline
from ppcls.images.transforms.erasing import Erasing
from ppcls.images.transforms.layout import NormalizeImage
from ppcls.registry import Facts, Part, Registry

DOCS = Path(__file__).parent
TILE, GAP, DRAWS = 112, 4, 6

INTRODUCTION = """\
<!-- Written by `make docs`: docs/gallery.py, from the registered transforms. -->
# Transforms

`DataLoader.*.dataset.transform_ops` lists what happens to an image, in this order, by the names and arguments of
PaddleClas:

- `DecodeImage` starts the list (optional: without it files are decoded to RGB).
- Everything in between takes and gives an RGB image of 8 bits. It runs in the reading processes.
- `NormalizeImage` and `ToCHWImage` end it, in either order; or, by Paddle's names, `ToTensor` and `Normalize` in this
  order. They are done once for a whole batch.
- `Cutout`, `HideAndSeek`, `GridMask` and `RandomErasing` may stand before or after `NormalizeImage`, and at each place
  they mean what they say: before it they paint levels from 0 to 255, so that 0 is black; after it they paint
  normalized numbers, so that 0 is the mean colour. After it they are done on the finished batch, by the training
  process. Every other transform after `NormalizeImage` is refused; before it, it does the same.
- `RandomErasing` with `mode: rand` or `mode: pixel` paints normal random numbers, and is refused before it.

All randomness of a sample is a function of `Global.seed`, the epoch and the number of its draw alone: the number of
workers, the batch size, the number of ranks and where a run was resumed make no difference. A draw's number is the
sample's index, and grows by the number of samples each time that the sampler takes it again in an epoch.

In each row below the first tile is the image itself; where there is only one more, nothing is random. What paints
over parts is shown after `NormalizeImage`. The images are drawn by `docs/landscape.py`.\
"""
BATCHES = """\
# Batch transforms

`batch_transform_ops` lists what mixes the samples of a finished batch. Labels become soft: probabilities, one row a
sample. `CELoss` takes them as they are, and spreads `epsilon` over them like over class numbers. Metrics of
`Metric.Train` count a sample as right when the class with the largest share is among the `k` highest scores (of
equal shares the lower class number); so under mixing they are lower than those of the evaluation.

The first two tiles are mixed; the numbers are their shares in the label.\
"""

# Arguments that show what a transform does; a test holds that none is forgotten.
EXAMPLES: dict[str, dict[str, Any]] = {
    "ResizeImage": {"size": [160, 224]},
    "CropImage": {"size": 160},
    "RandCropImage": {"size": 224},
    "RandFlipImage": {"flip_code": 1},
    "RandomHorizontalFlip": {"prob": 0.5},
    "CropImageAtRatio": {"size": 224, "pad": 64},
    "RandomCropImage": {"size": 160},
    "RandCropImageV2": {"size": 160},
    "CropWithPadding": {"padding_num": 0, "scale": [0.2, 0.8]},
    "CenterCrop": {"size": [160, 224]},
    "Resize": {"size": 112},
    "RandomCrop": {"size": 224, "padding": 40, "padding_mode": "reflect"},
    "RandomResizedCrop": {"size": 224},
    "RandomResizedCropAndInterpolation": {"size": 224, "interpolation": "random"},
    "RandomRot90": {},
    "RandomRotation": {"prob": 1.0, "degrees": 30, "interpolation": "bilinear", "fill": 128},
    "Pad": {"padding": 28, "padding_mode": "reflect"},
    "Padv2": {"size": [256, 280], "pad_mode": 1},
    "ColorJitter": {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1},
    "RandomGrayscale": {"p": 0.5},
    "PCALighting": {"alphastd": 0.5},
    "BlurImage": {"ratio": 1.0},
    "RandomInterpolationAugment": {"prob": 1.0},
    "AutoAugment": {},
    "RandAugment": {"num_layers": 2, "magnitude": 5},
    "RandAugmentV2": {"num_layers": 2, "magnitude": 5},
    "RandAugmentV3": {"num_layers": 2, "magnitude": 6},
    "RandAugmentV4": {},
    "AugMix": {"prob": 1.0, "aug_prob_coeff": 1.0, "mixture_depth": -1, "aug_severity": 3},
    "TimmAutoAugment": {"config_str": "rand-m9-mstd0.5-inc1", "img_size": 224},
    "RawTimmAutoAugment": {"config_str": "augmix-m5-w4-d2"},
    "Cutout": {"n_holes": 1, "length": 112},
    "HideAndSeek": {},
    "GridMask": {"d1": 60, "d2": 120, "rotate": 30, "ratio": 0.5, "mode": 1},
    "RandomErasing": {"EPSILON": 0.8, "sl": 0.02, "sh": "1.0/3.0", "r1": 0.3, "mode": "pixel"},
    "RandomApply": {"transforms": [{"ColorJitter": {"brightness": 0.4, "hue": 0.1}}, {"RandomRot90": {}}], "p": 0.8},
    "MixupOperator": {"alpha": 0.8},
    "CutmixOperator": {"alpha": 1.0},
    "FmixOperator": {"alpha": 1.0},
    "OpSampler": {"MixupOperator": {"alpha": 0.8, "prob": 0.5}, "CutmixOperator": {"alpha": 1.0, "prob": 0.4}},
    "MixupCutmixHybrid": {"mixup_alpha": 0.8, "cutmix_alpha": 1.0, "label_smoothing": 0.0},
}
# What has no image: the start and the end of every list.
FRAME = ("DecodeImage", "NormalizeImage", "ToCHWImage", "ToTensor", "Normalize")
# What only shows at full size, so that the middle is shown.
FINE = ("BlurImage", "RandomInterpolationAugment")


def square(seed: int) -> Image:
    """Return the middle of a landscape at 224 pixels, as most transforms get it."""
    return cv2.resize(landscape(seed)[:, 50:350], (224, 224), interpolation=cv2.INTER_AREA)


def built(registry: Registry, name: str, facts: Facts = Facts()) -> Callable[..., Any]:
    """Return a transform with its example's arguments."""
    arguments = EXAMPLES[name]
    if name == "OpSampler":
        arguments = {
            kind: Candidate(kind, {key: value for key, value in given.items() if key != "prob"}, prob=given["prob"])
            for kind, given in arguments.items()
        }
    if name == "RandomApply":
        parts = [Part(kind, given) for item in arguments["transforms"] for kind, given in item.items()]
        arguments = {**arguments, "transforms": parts}
    numbers = {key: 1 / 3 if value == "1.0/3.0" else value for key, value in arguments.items()}
    op: Callable[..., Any] = registry.build(Part(name, numbers), facts)
    return op


def tiles_of(name: str) -> list[Image]:
    """Return tiles of the image and of several draws of a transform, or of one if all are the same."""
    op = built(TRANSFORMS, name)
    image = landscape(0) if "Crop" in name or name == "Resize" else square(0)
    if isinstance(op, Erasing):
        rngs = map(np.random.default_rng, range(2, 2 + DRAWS))
        images = list(map(shown, Pipeline([NormalizeImage(), op]).finish(np.stack([image] * DRAWS), rngs=rngs)))
    else:
        images = [op(image, np.random.default_rng(seed)) for seed in range(DRAWS)]
    fixed = all(np.array_equal(image, images[0]) for image in images)
    images = [image, *(images[:1] if fixed else images)]
    return [image[70 : 70 + TILE, 70 : 70 + TILE] if name in FINE else fitted(image) for image in images]


def shown(image_CHW: NDArray[np.floating]) -> Image:
    """Return a normalized image in 8 bits."""
    image = image_CHW.transpose(1, 2, 0) * [0.229, 0.224, 0.225] + [0.485, 0.456, 0.406]
    return np.clip(255 * image, 0, 255).round().astype(np.uint8)


def mixed_tiles(name: str) -> list[Image]:
    """Return tiles of two images and of several mixtures of them, which say their shares in the label."""
    batch = Pipeline([NormalizeImage()]).finish(np.stack([square(0), square(5)]))
    tiles, seed = [fitted(square(0)), fitted(square(5))], 0
    while len(tiles) <= DRAWS:
        images, labels = built(BATCH_TRANSFORMS, name, Facts(class_num=2))(
            batch.copy(), np.array([0, 1]), np.random.default_rng(seed)
        )
        seed += 1
        # A batch of two often stays as it is; of the sampler, that is one of the things to show.
        if 0.02 < labels[0, 0] < 0.98 or (name == "OpSampler" and len(tiles) == DRAWS):
            tile = fitted(shown(images[0]))
            text = f"{labels[0, 0]:.2f} + {labels[0, 1]:.2f}"
            cv2.rectangle(tile, (0, TILE - 18), (TILE, TILE), (0, 0, 0), -1)
            cv2.putText(tile, text, (6, TILE - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (255, 255, 255), 1, cv2.LINE_AA)
            tiles.append(tile)
    return tiles


def fitted(image: Image) -> Image:
    """Return an image on a white tile, at half its size: larger and smaller ones are seen to be."""
    factor = min(0.5, TILE / max(image.shape[:2]))
    size = round(image.shape[1] * factor), round(image.shape[0] * factor)
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    tile = np.full((TILE, TILE, 3), 255, np.uint8)
    top, left = (TILE - small.shape[0]) // 2, (TILE - small.shape[1]) // 2
    tile[top : top + small.shape[0], left : left + small.shape[1]] = small
    return tile


def sheet(tiles: list[Image]) -> Image:
    """Return tiles side by side."""
    gap = np.full((TILE, GAP, 3), 255, np.uint8)
    return np.concatenate([part for tile in tiles for part in (tile, gap)], 1)


def page() -> str:
    """Return docs/transforms.md."""
    lines = [INTRODUCTION]
    for name in TRANSFORMS.names():
        lines += _entry(TRANSFORMS, name)
    lines += ["", BATCHES]
    for name in BATCH_TRANSFORMS.names():
        lines += _entry(BATCH_TRANSFORMS, name)
    return "\n".join(lines) + "\n"


def _entry(registry: Registry, name: str) -> Iterator[str]:
    constructor = registry.load(name)
    yield from ("", f"## {name}", "", inspect.getdoc(constructor) or "", "")
    for key, argument in arguments_of(constructor).items():
        default = "required" if argument.default is REQUIRED else f"`{json.dumps(argument.default)}`"
        yield f"- `{key}`: {describe(argument.annotation)}; {default}"
    if name not in FRAME:
        given = ", ".join(f"{key}: {_yaml(value)}" for key, value in EXAMPLES[name].items())
        yield from ("", f"![{name}](gallery/{name}.jpg)", "", f"`- {name}: {{{given}}}`" if given else f"`- {name}:`")


def _yaml(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_yaml, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_yaml(item)}" for key, item in value.items()) + "}"
    return str(value)


def main() -> None:
    (DOCS / "transforms.md").write_text(page(), encoding="utf-8")
    for name in EXAMPLES:
        tiles = tiles_of(name) if name in TRANSFORMS else mixed_tiles(name)
        image = cv2.cvtColor(sheet(tiles), cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(DOCS / "gallery" / f"{name}.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, 72])


if __name__ == "__main__":
    main()
