"""What list files say of images and their labels, with all that is wrong in them."""

import os
import re
from collections.abc import Sequence
from typing import Any, Callable, NamedTuple, Optional

from ppcls.class_names import read_label_map
from ppcls.data.sources.checks import logger, more
from ppcls.errors import DataError
from ppcls.images.lists import split
from ppcls.text import lines, printable

# Beside lists: the names of the classes, `label name` on each line.
LABELS = "labels.txt"
# What int64 holds for sure.
_CLASS_ID = re.compile(r"[-+]?\d{1,18}", re.ASCII)


class FaultyLine(NamedTuple):
    """A line of a list that can't be used."""

    number: int
    fault: str
    text: str


class Listing(NamedTuple):
    """What a list file says: for each image a path, what stands for its label, and the line's number."""

    paths: list[str]
    labels: list[Any]
    lines: list[int]
    faulty: list[FaultyLine]


def class_id(text: str) -> int:
    """Return the label that a line ends with. Raises ValueError."""
    if not _CLASS_ID.fullmatch(text.strip()):
        raise ValueError(text)
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
    """Read the lines of a list file; `parse`, of `WANTED`, reads the label. Raises DataError if it is not text."""
    listing = Listing([], [], [], [])
    for number, text in lines(path, "cls_label_path"):
        listed, label = split(text, delimiter)
        try:
            parsed = parse(label)
        except ValueError:
            listing.faulty.append(FaultyLine(number, WANTED[parse], text))
            continue
        if not listed or "\0" in listed:
            listing.faulty.append(FaultyLine(number, "no path that can be" if listed else "no path", text))
            continue
        listing.paths.append(listed)
        listing.labels.append(parsed)
        listing.lines.append(number)
    return listing


def checked_list(path: str, delimiter: Optional[str], parse: Callable[[str], Any]) -> Listing:
    """Read a list file. Raises DataError for any line that can't be used."""
    listing = read_list(path, delimiter, parse)
    if listing.faulty:
        shown = "\n".join(
            f"{printable(path)}:{line.number}: {line.fault}; received '{printable(line.text)}'"
            for line in listing.faulty[:3]
        )
        raise DataError(f"{shown}{more(listing.faulty)}; write a path and a label on each line")
    if not listing.paths:
        raise DataError(f"{printable(path)}: the list is empty; write a path and a label on each line")
    return listing


def names_of(path: str, class_id_map_file: Optional[str]) -> Sequence[str]:
    """Return the names of the classes of a list: of a map, or of `labels.txt` beside it; none where there is none.

    Raises DataError for a map that can't be read; that beside the list may be another's, and is ignored with a warning.
    """
    if class_id_map_file is not None:
        return read_label_map(class_id_map_file)
    beside = os.path.join(os.path.dirname(path), LABELS)
    if os.path.isfile(beside):
        try:
            return read_label_map(beside)
        except DataError as error:
            logger.warning(f"{error}; the classes of {printable(path)} have no names")
    return ()


def checked_names(names: Sequence[str], class_num: int, path: str) -> Sequence[str]:
    """Return the names; none, after a warning, where they are of more classes than there are."""
    if len(names) > class_num:
        logger.warning(
            f"{printable(path)}: {len(names)} names for class_num {class_num} are ignored; correct the file of the "
            "names or class_num"
        )
        return ()
    return names
