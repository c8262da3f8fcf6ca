"""Images in class folders."""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Optional

import numpy as np

from ppcls.class_names import read_rows
from ppcls.data.sources.base import ImageFiles, Labels
from ppcls.data.sources.checks import check_range, listed, note_absent
from ppcls.errors import DataError
from ppcls.images.pipeline import Pipeline
from ppcls.images.walk import Found, Identity, Ignored, entries, folders_in, identity, walk
from ppcls.text import as_utf8, printable

_SPLITS = {"train", "training", "val", "valid", "validation", "test", "testing", "eval"}


class ImageFolder(ImageFiles):
    """The images below one folder per class; the label is the rank of the folder's name in sorted order.

    `class_id_map_file` gives the labels instead, as lines `label name`; it may name more classes than there are.
    Images are found at any depth by their suffix; hidden names, such as those that start with a dot, are skipped.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        class_num: int,
        *,
        image_root: str,
        class_id_map_file: Optional[str] = None,
        skip_corrupt: bool = False,
    ) -> None:
        found = in_class_folders(image_root, class_num, class_id_map_file)
        super().__init__(pipeline, image_root=image_root, **found._asdict(), skip_corrupt=skip_corrupt)


class Classified(NamedTuple):
    """Images below class folders."""

    paths: Sequence[str]
    labels: Labels
    label_names: Sequence[str]


def in_class_folders(image_root: str, class_num: int, class_id_map_file: Optional[str] = None) -> Classified:
    """Return the images below the class folders. Raises DataError for all that would give them wrong labels."""
    folders = class_folders(image_root)
    names = list(folders)
    if split_names(names):
        raise DataError(
            f"image_root: its folders are splits and no classes; received '{printable(image_root)}' with "
            f"{listed(names)}; give one of them, such as '{printable(os.path.join(image_root, names[0]))}'"
        )
    label_of = {name: rank for rank, name in enumerate(names)}
    if class_id_map_file is not None:
        label_of = read_class_ids(class_id_map_file, names)
    elif len(names) == 1 and class_num > 1:
        raise _one_class_only(image_root, names[0], class_num)
    class_labels = np.array([label_of[name] for name in names], np.int64)
    check_range(class_labels, class_num, lambda index: os.path.join(image_root, names[index]))
    ignored = Ignored(image_root)
    paths: list[str] = []
    counts: list[int] = []
    for name in names:
        found = list(ignored.images(below_class(image_root, name, folders)))
        if not found:
            raise DataError(
                f"image_root: a class folder has no image; received '{printable(os.path.join(image_root, name))}'"
                f"{f' ({ignored})' if str(ignored) else ''}; add images or remove the folder"
            )
        paths += found
        counts.append(len(found))
    for path, kind in entries(image_root):
        if kind != "folder":
            ignored.add(path, kind)
    ignored.say()
    labels = np.repeat(class_labels, counts)
    note_absent(image_root, labels, class_num)
    name_of = {label: as_utf8(name) for name, label in label_of.items() if label < class_num}
    # A label that is not in the map has its number for a name.
    return Classified(paths, labels, [name_of.get(label, str(label)) for label in range(max(name_of) + 1)])


def class_folders(root: str) -> dict[str, Identity]:
    """Return the class folders by name, sorted. Raises DataError if there are none, or one has two names."""
    if not os.path.isdir(root):
        raise DataError(f"image_root: is not a folder; received '{printable(root)}'; check the path")
    try:
        names = sorted(found.path for found in entries(root) if found.kind == "folder")
        folders = {name: identity(os.path.join(root, name)) for name in names}
    except OSError as error:
        raise DataError(f"image_root: can't be listed; received '{printable(root)}' ({error.strerror})") from error
    if not names:
        raise DataError(
            f"image_root: has no folders; received '{printable(root)}'; give a folder with one folder per class, "
            "or use ImageNetDataset with a list"
        )
    name_of: dict[Identity, str] = {}
    for name, folder in folders.items():
        other = name_of.setdefault(folder, name)
        if other != name:
            raise DataError(
                f"image_root: two class folders are one; received '{printable(name)}' and '{printable(other)}' in "
                f"'{printable(root)}'; remove one of the links"
            )
    return folders


def below_class(root: str, name: str, folders: Mapping[str, Identity]) -> Iterator[Found]:
    """Yield all below one of the class folders, by paths from `root`; links to other classes are loops."""
    for path, kind in walk(os.path.join(root, name), taken=folders.values()):
        yield Found(f"{name}/{path}" if path else name, kind)


def split_names(names: Sequence[str]) -> bool:
    """Return whether folders are splits by their names, and no classes."""
    return {name.lower() for name in names} <= _SPLITS


def _one_class_only(root: str, name: str, class_num: int) -> DataError:
    inner = os.path.join(root, name)
    deeper = folders_in(inner)
    remedy = "add the folders of the other classes, or give a class_id_map_file"
    if len(deeper) > 1:
        remedy = f"the classes may be one folder deeper ({listed(deeper)}): give '{printable(inner)}'"
    return DataError(
        f"image_root: has one class folder for class_num {class_num}; received '{printable(root)}' with "
        f"'{printable(name)}' alone; {remedy}"
    )


def read_class_ids(path: str, names: Sequence[str]) -> dict[str, int]:
    """Return name -> label from lines `label name`, which must cover `names`. Raises DataError."""
    label_of: dict[str, int] = {}
    for number, text, label, name in read_rows(path):
        if label is None or not name or name in label_of:
            what = "names a class twice" if name in label_of else "is not 'label name'"
            raise DataError(f"{path}:{number}: {what}; received '{text}'; correct the line")
        label_of[name] = label
    unknown = [name for name in names if name not in label_of]
    if unknown:
        raise DataError(
            f"{path}: {len(unknown)} class folders have no label; received "
            f"{listed(unknown)}; add a line 'label name' for each"
        )
    return label_of
