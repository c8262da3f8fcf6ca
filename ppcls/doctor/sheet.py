"""Images side by side with captions, to look at."""

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ppcls.images.decode import Image

_LEAST_PX, _STRIP_PX, _GAP_PX = 160, 20, 4
_FONT, _SCALE, _CHARACTER_PX = cv2.FONT_HERSHEY_SIMPLEX, 0.4, 6


def sheet(images: Image, captions: Sequence[str]) -> Image:
    """Return uint8 images [N, H, W, 3] in a grid, each above its caption; small ones are enlarged by whole numbers."""
    factor = math.ceil(_LEAST_PX / images.shape[2])
    tiles = [
        _tile(np.kron(image, np.ones((factor, factor, 1), np.uint8)), text) for image, text in zip(images, captions)
    ]
    columns = math.ceil(math.sqrt(len(tiles)))
    height, width = (side + _GAP_PX for side in tiles[0].shape[:2])
    rows = math.ceil(len(tiles) / columns)
    page = np.full((rows * height - _GAP_PX, columns * width - _GAP_PX, 3), 255, np.uint8)
    for place, tile in enumerate(tiles):
        top, left = place // columns * height, place % columns * width
        page[top : top + height - _GAP_PX, left : left + width - _GAP_PX] = tile
    return page


def _tile(image: Image, text: str) -> Image:
    strip = np.full((_STRIP_PX, image.shape[1], 3), 255, np.uint8)
    shown = text.encode("ascii", "replace").decode()[: image.shape[1] // _CHARACTER_PX]
    cv2.putText(strip, shown, (2, _STRIP_PX - 6), _FONT, _SCALE, (0, 0, 0), 1, cv2.LINE_AA)
    tile: Image = np.concatenate([image, strip])
    return tile


def caption(label: NDArray[Any], names: Sequence[str]) -> str:
    """Return a label in words: a class id, or the classes of a label vector with their shares, largest first."""
    if np.ndim(label) == 0:
        return _named(int(label), names)
    order = [place for place in np.argsort(-label, kind="stable").tolist() if label[place] > 0]
    return ", ".join(f"{_named(place, names)} {label[place]:.2f}" for place in order[:3]) or "none"


def _named(label: int, names: Sequence[str]) -> str:
    return f"{label} {names[label]}" if label < len(names) else str(label)
