"""What is found to be wrong with paths and labels when a data set is built."""

import logging
import os
from array import array
from collections.abc import Iterable, Sequence
from typing import Any, Callable

import numpy as np
from numpy.typing import NDArray

from ppcls.errors import DataError
from ppcls.text import printable

logger = logging.getLogger("ppcls")

_SHOWN = 3


def more(found: Sequence[object]) -> str:
    """Return how many are not among those that a message shows."""
    return f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""


def listed(found: Sequence[object]) -> str:
    """Return the first ones, and how many more there are."""
    return ", ".join(printable(str(one)) for one in found[:_SHOWN]) + more(found)


def check_range(labels: NDArray[Any], class_num: int, where: Callable[[int], str]) -> None:
    """Raise DataError, with the place of the first one, if a label is out of range."""
    wrong = np.flatnonzero((labels < 0) | (labels >= class_num))
    if len(wrong):
        raise DataError(
            f"{printable(where(int(wrong[0])))}: here is the first of {len(wrong)} labels that are out of range; "
            f"received {labels[wrong[0]]} for class_num {class_num}; use 0 to {class_num - 1} or another class_num"
        )


def note_absent(source: str, labels: NDArray[Any], class_num: int) -> None:
    """Log which classes have no image: often a folder was forgotten, or class_num is that of other data."""
    counts = labels.sum(axis=0) if labels.ndim == 2 else np.bincount(labels, minlength=class_num)
    absent = np.flatnonzero(counts == 0).tolist()
    if absent:
        logger.warning(
            f"{printable(source)}: {class_num - len(absent)} of {class_num} classes have images; there are none with "
            f"the labels {listed(absent)}; add images, or correct class_num"
        )


def check_exist(root: str, paths: Sequence[str], lines: Sequence[int], list_path: str) -> None:
    """Raise DataError if images of a list are missing."""
    if not os.path.isdir(root):
        raise DataError(f"image_root: is not a folder; received '{printable(root)}'; check the path")
    missing = find_missing(root, paths)
    if missing:
        raise DataError(
            f"{printable(list_path)}:{lines[missing[0]]}: {len(missing)} of {len(paths)} images are missing; "
            f"received {listed([repr(paths[place]) for place in missing])}, image_root '{printable(root)}'; "
            "correct image_root or the list"
        )


def find_missing(root: str, paths: Sequence[str]) -> list[int]:
    """Return which files aren't there, with one listing per folder instead of one system call per file."""
    places_in: dict[str, array[int]] = {}
    for place, path in enumerate(paths):
        places_in.setdefault(path.rpartition("/")[0], array("q")).append(place)
    missing: list[int] = []
    for folder, places in places_in.items():  # so that the names of one folder are held at a time
        files = frozenset(_files(os.path.join(root, folder)))
        missing += [place for place in places if paths[place].rpartition("/")[2] not in files]
    return sorted(missing)


def _files(folder: str) -> Iterable[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if entry.is_file()]
    except OSError:  # then its images are reported as missing
        return []
