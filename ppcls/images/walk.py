"""The files below a folder: each once, in one order, and nothing ignored in silence."""

import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import Literal, NamedTuple

from ppcls.errors import DataError
from ppcls.images.decode import SUFFIXES
from ppcls.text import printable

logger = logging.getLogger("ppcls")

# What systems put beside images; so are all names that start with a dot.
_OF_SYSTEMS = {"@eadir", "__macosx", "thumbs.db", "desktop.ini"}
_SHOWN = 5

Kind = Literal["image", "folder", "ignored", "hidden", "loop", "unreadable"]
Identity = tuple[int, int]


class Found(NamedTuple):
    """A file or folder, by its path below the folder that is searched.

    `ignored`: a file whose suffix is of no image; `hidden`: not looked at, for its name; `loop`: a link to a folder
    that is searched anyway; `unreadable`: a folder that can't be listed.
    """

    path: str
    kind: Kind


def is_image(name: str) -> bool:
    """Return whether a file is taken for an image, by its suffix."""
    return name.lower().endswith(SUFFIXES)


def identity(folder: str) -> Identity:
    """Return what tells a folder from others, by whatever name it is found. Raises OSError."""
    status = os.stat(folder)
    return status.st_dev, status.st_ino


def entries(folder: str, prefix: str = "") -> list[Found]:
    """Return what is in a folder, sorted as whole paths are, with `prefix` before each name. Raises OSError."""
    with os.scandir(folder) as scan:
        kinds = {entry.name: _kind(entry) for entry in scan}
    ordered = sorted(kinds, key=lambda name: f"{name}/" if kinds[name] == "folder" else name)
    return [Found(prefix + name, kinds[name]) for name in ordered]


def _kind(entry: "os.DirEntry[str]") -> Kind:
    if entry.name.startswith(".") or entry.name.lower() in _OF_SYSTEMS:
        return "hidden"
    try:
        is_folder, is_file = entry.is_dir(), entry.is_file()
    except OSError:  # a link to itself, or to where we may not look
        is_folder = is_file = False
    if is_folder:
        return "folder"
    # Reading a pipe would wait for ever; a link to nothing is an image that can't be read.
    return "image" if is_image(entry.name) and (is_file or entry.is_symlink()) else "ignored"


def folders_in(folder: str) -> list[str]:
    """Return the names of the folders in a folder; none where it can't be listed."""
    try:
        return [name for name, kind in entries(folder) if kind == "folder"]
    except OSError:
        return []


def walk(folder: str, *, taken: Iterable[Identity] = ()) -> Iterator[Found]:
    """Yield all that is below a folder but folders, at any depth, sorted by path.

    Links to folders are followed, but not to those `taken`, searched before or above `folder`.
    """
    seen = {*taken, *_above(folder)}
    left = [Found("", "folder")]
    while left:
        path, kind = left.pop()
        if kind != "folder":
            yield Found(path, kind)
            continue
        try:
            itself = identity(os.path.join(folder, path))
            if path and itself in seen:
                yield Found(path, "loop")
                continue
            seen.add(itself)
            left += reversed(entries(os.path.join(folder, path), f"{path}/" if path else ""))
        except OSError:
            yield Found(path, "unreadable")


def _above(folder: str) -> Iterator[Identity]:
    path = os.path.realpath(folder)
    while path != os.path.dirname(path):
        path = os.path.dirname(path)
        yield identity(path)


_IN_WORDS: dict[Kind, str] = {
    "ignored": "files ignored",
    "image": "images outside class folders ignored",
    "loop": "links skipped to folders that are searched anyway",
    "hidden": "hidden or system files and folders skipped",
}


class Ignored:
    """Counts what is not used of a folder, to say it once."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._counts: dict[Kind, Counter[str]] = {kind: Counter() for kind in _IN_WORDS}

    def images(self, found: Iterable[Found]) -> Iterator[str]:
        """Yield the paths of the images, and count the rest. Raises DataError for a folder that can't be listed."""
        for path, kind in found:
            if kind == "image":
                yield path
            elif kind == "unreadable":
                raise DataError(f"{printable(os.path.join(self.folder, path))}: can't be listed; check its permissions")
            else:
                self.add(path, kind)

    def add(self, path: str, kind: Kind) -> None:
        """Count one that is not used."""
        file = PurePath(path)
        shown = path if kind == "loop" else file.name if kind == "hidden" else file.suffix.lower() or "no suffix"
        self._counts[kind][shown] += 1

    def __str__(self) -> str:
        """Return what was not used, such as `5 files ignored (.txt 3, .heic 2)`; empty where there is nothing."""
        said = []
        for kind, counts in self._counts.items():
            shown = [f"{printable(name)} {count}" for name, count in counts.most_common(_SHOWN)]
            shown += ["..."] * (len(counts) > _SHOWN)
            if counts:
                said.append(f"{sum(counts.values()):,} {_IN_WORDS[kind]} ({', '.join(shown)})")
        return ", ".join(said)

    def say(self) -> None:
        """Log what was not used, if there is anything."""
        surprising = any(counts for kind, counts in self._counts.items() if kind != "hidden")
        if str(self):
            logger.log(logging.WARNING if surprising else logging.INFO, f"{printable(self.folder)}: {self}")


def images_below(folder: str, *, say: bool = True) -> Iterator[str]:
    """Yield the images below a folder as paths from there, sorted; at the end, `say` in the log what else there is.

    Raises DataError where there is none, or a folder can't be listed.
    """
    ignored, found = Ignored(folder), False
    for path in ignored.images(walk(folder)):
        found = True
        yield path
    if not found:
        said = f" ({ignored})" if str(ignored) else ""
        raise DataError(f"{printable(folder)}: no image in this folder{said}; give one that has images")
    if say:
        ignored.say()
