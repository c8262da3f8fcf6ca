"""Images and their classes from a CSV file, or several classes each from a list."""

import csv
import os
from collections.abc import Sequence
from typing import NamedTuple, Optional

import numpy as np

from ppcls.data.sources.listing import flags, read_list
from ppcls.data.sources.names import Names
from ppcls.doctor.findings import Findings
from ppcls.doctor.splits import Split, from_list
from ppcls.errors import DataError
from ppcls.text import as_utf8, printable

SEPARATOR = "|"  # between the classes of one image


class _Row(NamedTuple):
    number: int
    path: str
    cells: Sequence[str]


def from_csv(path: str, findings: Findings, labels: Optional[str]) -> Split:
    """Return the images of a CSV file, whose first column is a path from its folder.

    `image,daisy` is of one class; `image,daisy|rose` is of several, and so is `image,1,0,1` below a line with the names
    of the classes. Raises DataError for a file that is none of these.
    """
    root = os.path.dirname(path) or "."
    rows = _rows(path)
    header = None if os.path.exists(os.path.join(root, rows[0].path)) else rows.pop(0)
    if not rows:
        raise DataError(f"{printable(path)}: has no images; write a path and a class on each line")
    width = len(rows[0].cells)
    for row in rows:
        if not row.cells or len(row.cells) != width or "" in row.cells[:1]:
            raise DataError(
                f"{printable(path)}:{row.number}: must be a path and a class, or a path and 0 or 1 for each class, as "
                f"the lines before; received {1 + len(row.cells)} cells; correct the line"
            )
    rows = _there(path, root, rows, findings)
    if width > 1:
        found, names = _flags(path, rows, header)
    elif labels == "multi" or (labels is None and any(SEPARATOR in row.cells[0] for row in rows)):
        found, names = _several(rows)
    else:
        names = _in_order({row.cells[0] for row in rows})
        found = np.array([names.index(row.cells[0]) for row in rows], np.int64)
    numbers = np.array([row.number for row in rows], np.int64)
    return Split("all", path, Names([row.path for row in rows]), found, [*map(as_utf8, names)], root, numbers)


def from_flags(path: str, findings: Findings) -> Split:
    """Return the images of a list of lines `path<tab>0,1,0`. Raises DataError if the first one is none."""
    listing = read_list(path, "\t", flags)
    if not listing.labels:
        raise DataError(f"{printable(path)}: has no line with a path, a tab and labels such as 0,1,0; correct it")
    root = os.path.dirname(path) or "."
    return from_list("all", path, root, findings, delimiter="\t", classes=len(listing.labels[0]))


def _rows(path: str) -> list[_Row]:
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            read = csv.reader(file)
            rows = [_Row(read.line_num, row[0].strip(), [cell.strip() for cell in row[1:]]) for row in read if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{printable(path)}: can't be read as CSV in UTF-8; {error}; correct the file") from error
    if not rows:
        raise DataError(f"{printable(path)}: is empty; write a path and a class on each line")
    return rows


def _there(path: str, root: str, rows: list[_Row], findings: Findings) -> list[_Row]:
    """Return the rows whose files are there and new; note the others."""
    first: dict[str, _Row] = {}
    for row in rows:
        where, known = f"{path}:{row.number}: {row.path}", first.get(os.path.normpath(row.path))
        if not os.path.isfile(os.path.join(root, row.path)):
            findings.add("missing", "all", where, f"in '{root}'")
        elif known:
            kind = "listed twice" if known.cells == row.cells else "two labels"
            findings.add(kind, "all", where, f"as line {known.number}")
        else:
            first[os.path.normpath(row.path)] = row
    return list(first.values())


def _in_order(names: set[str]) -> list[str]:
    return sorted(names, key=int) if all(map(str.isdecimal, names)) else sorted(names)


def _several(rows: Sequence[_Row]) -> tuple[np.ndarray, list[str]]:
    """Return labels uint8 [N, classes] of `daisy|rose`, and the names of the classes."""
    sets = [{name.strip() for name in row.cells[0].split(SEPARATOR)} - {""} for row in rows]
    names = _in_order(set().union(*sets))
    return np.array([[name in found for name in names] for found in sets], np.uint8), names


def _flags(path: str, rows: Sequence[_Row], header: Optional[_Row]) -> tuple[np.ndarray, list[str]]:
    """Return labels uint8 [N, classes] of `1,0,1`, and the names of the classes."""
    for row in rows:
        if not set(row.cells) <= {"0", "1"}:
            raise DataError(
                f"{printable(path)}:{row.number}: must have 0 or 1 for each class; received "
                f"'{printable(','.join(row.cells))}'; correct the line"
            )
    labels = np.array([[int(cell) for cell in row.cells] for row in rows], np.uint8)
    return labels, list(header.cells) if header else [str(place) for place in range(labels.shape[1])]
