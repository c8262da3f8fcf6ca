"""Images and their classes from the tables that others write: CSV, COCO, NUS-WIDE; or several each from a list."""

import csv
import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Optional

import numpy as np
from numpy.typing import NDArray

from ppcls.data.sources.listing import flags, read_list
from ppcls.data.sources.names import Names
from ppcls.doctor.findings import Findings
from ppcls.doctor.splits import Split, from_list
from ppcls.errors import DataError
from ppcls.text import as_utf8, lines, printable

SEPARATOR = "|"  # between the classes of one image


class _Row(NamedTuple):
    number: int
    path: str
    cells: Sequence[Any]


def from_table(path: str, images: Optional[str], labels: Optional[str], findings: Findings) -> Split:
    """Return the images of a .csv, of COCO's instances .json, or of NUS-WIDE's list of images.

    `images`: the folder that their paths start from; None: the file's own. `labels`: NUS-WIDE's folder of labels.
    Raises DataError.
    """
    suffix = Path(path).suffix.lower()
    if (suffix == ".txt") != (labels is not None) or suffix not in (".csv", ".json", ".txt"):
        raise DataError(
            f"{printable(path)}: must be a .csv, COCO's instances .json, or NUS-WIDE's list of images with --labels "
            "FOLDER; correct the command"
        )
    if suffix == ".csv":
        return from_csv(path, findings, None, images)
    root = os.path.dirname(path) or "." if images is None else images
    rows, names = _coco(path) if labels is None else _nus_wide(path, labels)
    rows = _there(path, root, rows, findings)
    flags_of = np.array([list(row.cells) for row in rows], np.uint8).reshape(-1, len(names))
    return _split(_split_name(path), path, rows, flags_of, names, root)


def _split_name(path: str) -> str:
    """Return which split a file is of, as its name says: `instances_train2017.json` of train."""
    found = re.search("(?<![a-z])(train|val|test)", Path(path).stem.lower())
    return found[0] if found else "all"


def from_csv(path: str, findings: Findings, labels: Optional[str], images: Optional[str] = None) -> Split:
    """Return the images of a CSV file, whose first column is a path from its folder, or from `images`.

    `image,daisy` is of one class; `image,daisy|rose` is of several, and so is `image,1,0,1` below a line with the names
    of the classes. Raises DataError for a file that is none of these.
    """
    root = os.path.dirname(path) or "." if images is None else images
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
    return _split(_split_name(path), path, rows, found, names, root)


def _split(name: str, path: str, rows: Sequence[_Row], labels: NDArray[Any], names: Sequence[str], root: str) -> Split:
    numbers = np.array([row.number for row in rows], np.int64)
    return Split(name, path, Names([row.path for row in rows]), labels, [*map(as_utf8, names)], root, numbers)


def from_flags(name: str, path: str, findings: Findings) -> Split:
    """Return the images of a list of lines `path<tab>0,1,0`. Raises DataError if the first one is none."""
    listing = read_list(path, "\t", flags)
    if not listing.labels:
        raise DataError(f"{printable(path)}: has no line with a path, a tab and labels such as 0,1,0; correct it")
    root = os.path.dirname(path) or "."
    return from_list(name, path, root, findings, delimiter="\t", classes=len(listing.labels[0]))


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


def _several(rows: Sequence[_Row]) -> tuple[NDArray[np.uint8], list[str]]:
    """Return labels uint8 [N, classes] of `daisy|rose`, and the names of the classes."""
    sets = [{name.strip() for name in row.cells[0].split(SEPARATOR)} - {""} for row in rows]
    names = _in_order(set().union(*sets))
    return np.array([[name in found for name in names] for found in sets], np.uint8), names


def _flags(path: str, rows: Sequence[_Row], header: Optional[_Row]) -> tuple[NDArray[np.uint8], list[str]]:
    """Return labels uint8 [N, classes] of `1,0,1`, and the names of the classes."""
    for row in rows:
        if not set(row.cells) <= {"0", "1"}:
            raise DataError(
                f"{printable(path)}:{row.number}: must have 0 or 1 for each class; received "
                f"'{printable(','.join(row.cells))}'; correct the line"
            )
    labels = np.array([[int(cell) for cell in row.cells] for row in rows], np.uint8)
    return labels, list(header.cells) if header else [str(place) for place in range(labels.shape[1])]


def _coco(path: str) -> tuple[list[_Row], list[str]]:
    """Return a row for each image, also those without a category, and the categories by their numbers."""
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
        names = {int(one["id"]): str(one["name"]) for one in content["categories"]}
        column = {number: place for place, number in enumerate(sorted(names))}
        there = {one["id"]: bytearray(len(column)) for one in content["images"]}
        for one in content["annotations"]:
            there[one["image_id"]][column[one["category_id"]]] = 1
        rows = [_Row(place, str(one["file_name"]), there[one["id"]]) for place, one in enumerate(content["images"], 1)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{printable(path)}: can't be read as COCO's instances; {error!r}; give such a .json"
        ) from error
    return rows, [names[number] for number in column]


def _nus_wide(path: str, folder: str) -> tuple[list[_Row], list[str]]:
    """Return a row for each image, and the concepts that have a file `Labels_NAME_Train.txt` of 0 and 1 by lines.

    The ending is that of the list: TrainImagelist.txt, TestImagelist.txt, or none for Imagelist.txt.
    """
    part = Path(path).stem[: -len("Imagelist")] if Path(path).stem.endswith("Imagelist") else ""
    ending = f"_{part}.txt" if part else ".txt"
    files = {file.name[len("Labels_") : -len(ending)]: file for file in Path(folder).glob(f"Labels_*{ending}")}
    if not files:
        raise DataError(f"--labels: '{printable(folder)}' has no Labels_NAME{ending}; give NUS-WIDE's folder of labels")
    images = [(number, text.replace("\\", "/")) for number, text in lines(path, "PATH")]
    names = sorted(files)
    columns = [list(_zeros_and_ones(files[name], len(images))) for name in names]
    return [_Row(number, image, flags) for (number, image), flags in zip(images, zip(*columns))], names


def _zeros_and_ones(file: Path, count: int) -> Iterator[int]:
    found = [text.strip() for _, text in lines(str(file), "--labels")]
    if len(found) != count or not {"0", "1"}.issuperset(found):
        raise DataError(
            f"{printable(str(file))}: must have 0 or 1 for each of {count} images; received {len(found)} lines; give "
            "the labels of this list"
        )
    yield from map(int, found)
