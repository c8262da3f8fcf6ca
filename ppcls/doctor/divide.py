"""Divide a data set into splits, and write lists of them."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppcls.data.sources.listing import LABELS
from ppcls.doctor.splits import Split
from ppcls.errors import DataError
from ppcls.files import write_text
from ppcls.text import printable


def divide(
    labels: NDArray[np.int64], groups: Sequence[Sequence[int]], shares: Sequence[float], seed: int
) -> NDArray[np.int64]:
    """Return the number of the split of each image.

    Each class is divided by the `shares`, which add up to 1, at random but for `groups`, which stay together; a
    group counts for the class of its first image.
    """
    rng = np.random.default_rng(seed)
    grouped = np.zeros(len(labels), bool)
    for group in groups:
        grouped[list(group)] = True
    units = [*groups, *([index] for index in np.flatnonzero(~grouped).tolist())]
    unit_labels = np.array([labels[unit[0]] for unit in units])
    split_of = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        own = rng.permutation(np.flatnonzero(unit_labels == label)).tolist()
        # What each split still wants; the one that wants most gets the next unit, the first one if they are equal.
        wanted = np.array(shares) * sum(len(units[place]) for place in own)
        for place in own:
            split = int(wanted.argmax())
            split_of[list(units[place])] = split
            wanted[split] -= len(units[place])
    return split_of


def write_lists(
    folder: Path, lines: Mapping[str, Sequence[tuple[str, Any]]], class_names: Sequence[str], delimiter: str = " "
) -> list[Path]:
    """Write `{split}_list.txt` for each split, and `labels.txt` if there are names; return the files.

    Raises: DataError if one already exists, but for the same names, or for a name that no list can hold.
    """
    texts = {
        f"{split}_list.txt": [f"{path}{delimiter}{label}" for path, label in listed] for split, listed in lines.items()
    }
    if class_names:
        texts[LABELS] = [f"{label} {name}" for label, name in enumerate(class_names)]
    for name, written in texts.items():
        if (folder / name).exists() and not (name == LABELS and _reads(folder / name, written)):
            raise DataError(f"{folder / name}: already exists; remove it or give another --out")
        for line in written:
            # Surrogates stand for bytes that are no UTF-8.
            if (
                line != line.strip()
                or "\n" in line
                or "\r" in line
                or any("\ud800" <= character <= "\udfff" for character in line)
            ):
                raise DataError(
                    f"{name}: can't hold a name with line breaks, spaces at its start or other bytes than UTF-8; "
                    f"received '{printable(line)}'; rename the file"
                )
    for name, written in texts.items():
        write_text(folder / name, "".join(f"{line}\n" for line in written))
    return [folder / name for name in texts]


def _reads(file: Path, lines: Sequence[str]) -> bool:
    return file.read_text(encoding="utf-8", errors="surrogateescape").splitlines() == lines


def listed(splits: Sequence[Split], root: str) -> dict[str, list[tuple[str, int]]]:
    """Return each split's paths below `root` with their labels."""
    lines = {}
    for split in splits:
        below = os.path.relpath(split.root, root)
        paths = [os.path.normpath(os.path.join(below, path)) for path in split.paths]
        lines[split.name] = list(zip(paths, split.labels.tolist()))
    return lines
