"""Correct labels by a list of corrections, such as the page of a report saves."""

import csv
import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Optional

from ppcls.doctor.splits import Split
from ppcls.errors import DataError
from ppcls.text import as_utf8, printable

COLUMNS = ("path", "label", "new_label")


class Correction(NamedTuple):
    """What an image's label is, and what it should be, by name; None removes the image from its list."""

    line: int
    label: str
    new_label: Optional[str]


def read_corrections(path: str) -> dict[str, Correction]:
    """Return the corrections of a CSV file by the full paths of the images. Raises DataError."""
    found: dict[str, Correction] = {}
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            head = tuple(next(reader, ()))
            if head != COLUMNS:
                received = ", ".join(head) or "an empty file"
                raise DataError(f"{printable(path)}: needs the columns {', '.join(COLUMNS)}; received {received}")
            for row in filter(None, reader):
                if len(row) != len(COLUMNS) or os.path.abspath(row[0]) in found:
                    raise DataError(f"{printable(path)}:{reader.line_num}: is no line of three, or repeats an image")
                found[os.path.abspath(row[0])] = Correction(reader.line_num, row[1], row[2] or None)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(
            f"{printable(path)}: can't be read as CSV; {reason}; give a list that a report saved"
        ) from error
    return found


def relabelled(
    splits: Sequence[Split], corrections: Mapping[str, Correction], source: str
) -> dict[str, list[tuple[str, int]]]:
    """Return the lines of each split, paths below its root, with corrected labels.

    Raises DataError for a correction of no image, of another label than the image has, or to an unknown class.
    """
    left = dict(corrections)
    lines: dict[str, list[tuple[str, int]]] = {}
    for split in splits:
        if split.pack is not None or split.labels.ndim > 1:
            raise DataError(f"{printable(split.source)}: relabel takes lists and folders with one class an image")
        lines[split.name] = [
            (path, new)
            for path, label in zip(split.paths, split.labels.tolist())
            if (new := _corrected(split, path, label, left, source)) is not None
        ]
    if left:
        path, correction = next(iter(left.items()))
        raise DataError(
            f"{printable(source)}:{correction.line}: is of no image here; received '{printable(path)}'; give the data "
            "that the list of corrections was made of"
        )
    return lines


def _corrected(split: Split, path: str, label: int, left: dict[str, Correction], source: str) -> Optional[int]:
    """Return an image's label, None to remove it, and take its correction from those that are `left`."""
    correction = left.pop(as_utf8(os.path.abspath(os.path.join(split.root, path))), None)
    if correction is None:
        return label
    names = split.class_names
    known = names[label] if label < len(names) and names[label] else str(label)
    where = f"{printable(source)}:{correction.line}"
    if correction.label != known:
        raise DataError(f"{where}: the image has the label '{known}' now; received '{printable(correction.label)}'")
    if correction.new_label is None:
        return None
    if correction.new_label in names:
        return list(names).index(correction.new_label)
    if not names and correction.new_label.isdecimal():
        return int(correction.new_label)
    raise DataError(f"{where}: there is no class '{printable(correction.new_label)}'; give one of the data's classes")
