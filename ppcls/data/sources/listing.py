"""What list files and class folders say, with all that is wrong in them."""

import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Callable, NamedTuple, Optional

import numpy as np
from numpy.typing import NDArray

from ppcls.errors import DataError
from ppcls.images.decode import SUFFIXES

_SHOWN = 3


class Line(NamedTuple):
    """A line of a list that can't be used."""

    number: int
    fault: str
    text: str


class Listing(NamedTuple):
    """What a list file says: for each picture a path, what stands for its label, and the line's number."""

    paths: list[str]
    labels: list[Any]
    lines: list[int]
    faulty: list[Line]


def class_id(text: str) -> int:
    """Return the label that a line ends with. Raises ValueError."""
    return int(text)


def flags(text: str) -> bytes:
    """Return the labels `0,1,0` of a multi-label line, a byte 0 or 1 each. Raises ValueError."""
    fields = text.split(",")
    if not set(fields) <= {"0", "1"}:
        raise ValueError(text)
    return bytes(map(int, fields))


WANTED: dict[Callable[[str], Any], str] = {
    class_id: "no integer label at the end",
    flags: "no labels such as 0,1,0 at the end",
}


def read_list(path: str, delimiter: Optional[str], parse: Callable[[str], Any]) -> Listing:
    """Read the lines of a list file; `parse`, of `WANTED`, reads the label. Raises DataError if it is no text."""
    listing = Listing([], [], [], [])
    for number, line in enumerate(read_text("cls_label_path", path), 1):
        fields = line.strip().rsplit(delimiter, 1)
        if fields in ([], [""]):
            continue
        try:
            listing.labels.append(parse(fields[1]))
        except (IndexError, ValueError):
            listing.faulty.append(Line(number, WANTED[parse], line.strip()))
            continue
        listing.paths.append(fields[0])
        listing.lines.append(number)
    return listing


def read_text(argument: str, path: str) -> Iterator[str]:
    """Yield the lines of a file. Raises DataError if it can't be read or isn't UTF-8."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            yield from file
    except OSError as error:
        raise DataError(f"{argument}: can't be read; received '{path}' ({error.strerror}); check the path") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 text; received a byte that isn't ({error}); convert it") from error


def checked_list(path: str, delimiter: Optional[str], parse: Callable[[str], Any]) -> Listing:
    """Read a list file. Raises DataError for any line that can't be used."""
    listing = read_list(path, delimiter, parse)
    if listing.faulty:
        shown = "\n".join(f"{path}:{line.number}: {line.fault}; received '{line.text}'" for line in listing.faulty[:3])
        raise DataError(f"{shown}{more(listing.faulty)}; write a path and a label on each line")
    if not listing.paths:
        raise DataError(f"{path}: the list is empty; received no line; write a path and a label on each line")
    return listing


def check_range(labels: NDArray[Any], class_num: int, where: Callable[[int], str]) -> None:
    """Raise DataError, with the place of the first one, if a label is out of range."""
    wrong = np.flatnonzero((labels < 0) | (labels >= class_num))
    if len(wrong):
        raise DataError(
            f"{where(int(wrong[0]))}: here is the first of {len(wrong)} labels that are out of range; received "
            f"{labels[wrong[0]]} for class_num {class_num}; use 0 to {class_num - 1} or another class_num"
        )


def check_exist(root: str, listing: Listing, list_path: str) -> None:
    """Raise DataError if pictures of a list are missing."""
    if not os.path.isdir(root):
        raise DataError(f"image_root: is not a folder; received '{root}'; check the path")
    missing = find_missing(root, listing.paths)
    if missing:
        shown = ", ".join(f"'{listing.paths[place]}'" for place in missing[:_SHOWN])
        raise DataError(
            f"{list_path}:{listing.lines[missing[0]]}: {len(missing)} of {len(listing.paths)} pictures are missing; "
            f"received {shown}{more(missing)}, image_root '{root}'; correct image_root or the list"
        )


def find_missing(root: str, paths: Sequence[str]) -> list[int]:
    """Return which files aren't there, with one listing a folder instead of one system call a file."""
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
    except OSError:  # then its pictures are reported as missing
        return []


def class_folders(root: str) -> list[str]:
    """Return the names of the class folders, sorted. Raises DataError if there are none."""
    if not os.path.isdir(root):
        raise DataError(f"image_root: is not a folder; received '{root}'; check the path")
    with os.scandir(root) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    if not names:
        raise DataError(
            f"image_root: has no folders; received '{root}'; give a folder with one folder a class, "
            "or use ImageNetDataset with a list"
        )
    return names


def files_below(root: str, name: str) -> list[str]:
    """Return all files at any depth below a folder of `root`, as sorted paths from `root`."""
    found = []
    for folder, _, files in os.walk(os.path.join(root, name), followlinks=True):
        relative = os.path.relpath(folder, root)
        found += [f"{relative}/{file}" for file in files]
    return sorted(found)


def is_picture(path: str) -> bool:
    """Return whether a data set takes the file for a picture, by its suffix."""
    return path.lower().endswith(SUFFIXES)


def read_class_ids(path: str, names: Sequence[str]) -> dict[str, int]:
    """Return name -> label from lines `label name`, which must cover `names`. Raises DataError."""
    label_of: dict[str, int] = {}
    for number, line in enumerate(read_text("class_id_map_file", path), 1):
        label, _, name = line.strip().partition(" ")
        if not label:
            continue
        if not label.isdecimal() or not name or name in label_of:
            what = "names a class twice" if name in label_of else "is not 'label name'"
            raise DataError(f"{path}:{number}: {what}; received '{line.strip()}'; correct the line")
        label_of[name] = int(label)
    unknown = [name for name in names if name not in label_of]
    if unknown:
        raise DataError(
            f"{path}: {len(unknown)} class folders have no label; received "
            f"{', '.join(unknown[:_SHOWN])}{more(unknown)}; add a line 'label name' for each"
        )
    return label_of


def more(found: Sequence[object]) -> str:
    """Return how many are not among those that a message shows."""
    return f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
