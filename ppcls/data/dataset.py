"""Labelled pictures on disk. What is wrong with a list or a folder is found when a data set is built."""

import os
from collections.abc import Iterable, Sequence
from typing import Callable, Optional

import numpy as np
from numpy.typing import NDArray

from ppcls.errors import DataError
from ppcls.transforms.compose import Pipeline
from ppcls.transforms.decode import Image

_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
_SHOWN = 3


class LabelledPictures:
    """Picture files and their int64 `labels`; `label_names` is empty where the source has none.

    With `skip_corrupt` the loader leaves out pictures that can't be decoded; otherwise they end the run.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        image_root: str,
        paths: Sequence[str],
        labels: NDArray[np.int64],
        label_names: Sequence[str] = (),
        skip_corrupt: bool,
    ) -> None:
        self.pipeline = pipeline
        self.labels = labels
        self.label_names = label_names
        self.skip_corrupt = skip_corrupt
        self._root = image_root
        # One block of bytes: a million str objects would take 100 MB, and be copied to each worker.
        encoded = [os.fsencode(path) for path in paths]
        self._ends = np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)))
        self._paths = b"".join(encoded)

    def __len__(self) -> int:
        return len(self.labels)

    def path(self, index: int) -> str:
        """Return the path of a picture, below `image_root`."""
        start = self._ends[index - 1] if index else 0
        return os.path.join(self._root, os.fsdecode(self._paths[start : self._ends[index]]))

    def sample(self, index: int, rng: np.random.Generator) -> tuple[Image, int]:
        """Return the HWC uint8 image and its label.

        Raises: UndecodableError for a corrupt picture, DataError for any other that can't be used.
        """
        path = self.path(index)
        try:
            with open(path, "rb", buffering=0) as file:
                data = file.read()
            return self.pipeline.sample(data, rng), int(self.labels[index])
        except DataError as error:
            raise type(error)(f"{path}: {error}") from error
        except OSError as error:
            raise DataError(f"{path}: can't be read; received '{error.strerror}'; check the disk") from error


class ImageNetDataset(LabelledPictures):
    """The pictures of a list file: a path below `image_root` and an integer label on each line.

    The label is the last field, so that paths may have spaces; `delimiter` is any white space by default.
    `relabel` numbers the labels that occur 0, 1, ... in their order.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        class_num: int,
        /,
        *,
        image_root: str,
        cls_label_path: str,
        delimiter: Optional[str] = None,
        relabel: bool = False,
        skip_corrupt: bool = False,
    ) -> None:
        if delimiter == "":
            raise ValueError("delimiter: must not be empty; received ''; leave it out for white space")
        paths, labels, lines = _read_list(cls_label_path, delimiter)
        if relabel:
            labels = np.unique(labels, return_inverse=True)[1].astype(np.int64)
        _check_range(labels, class_num, lambda index: f"{cls_label_path}:{lines[index]}")
        _check_exist(image_root, paths, cls_label_path, lines)
        super().__init__(pipeline, image_root=image_root, paths=paths, labels=labels, skip_corrupt=skip_corrupt)


class ImageFolder(LabelledPictures):
    """The pictures below one folder a class; the label is the rank of the folder's name in sorted order.

    `class_id_map_file` gives the labels instead, as lines `label name`; it may name more classes than there
    are. Pictures are found at any depth by their suffix; folders that start with a dot are passed over.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        class_num: int,
        /,
        *,
        image_root: str,
        class_id_map_file: Optional[str] = None,
        skip_corrupt: bool = False,
    ) -> None:
        names = _class_folders(image_root)
        label_of = {name: rank for rank, name in enumerate(names)}
        if class_id_map_file is not None:
            label_of = _read_class_ids(class_id_map_file, names)
        class_labels = np.array([label_of[name] for name in names], np.int64)
        _check_range(class_labels, class_num, lambda index: os.path.join(image_root, names[index]))
        paths: list[str] = []
        counts: list[int] = []
        for name in names:
            found = _pictures_below(image_root, name)
            if not found:
                raise DataError(
                    f"image_root: a class folder has no picture ({', '.join(_SUFFIXES)}); "
                    f"received '{os.path.join(image_root, name)}'; add pictures or remove the folder"
                )
            paths += found
            counts.append(len(found))
        super().__init__(
            pipeline,
            image_root=image_root,
            paths=paths,
            labels=np.repeat(class_labels, counts),
            label_names=sorted(label_of, key=label_of.__getitem__),
            skip_corrupt=skip_corrupt,
        )


def _read_text(argument: str, path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8-sig") as file:
            return file.read().split("\n")
    except OSError as error:
        raise DataError(f"{argument}: can't be read; received '{path}' ({error.strerror}); check the path") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 text; received a byte that isn't ({error}); convert it") from error


def _more(count: int) -> str:
    return f" and {count - _SHOWN} more" if count > _SHOWN else ""


def _read_list(path: str, delimiter: Optional[str]) -> tuple[list[str], NDArray[np.int64], list[int]]:
    """Return the paths, the labels and the line numbers of a list file."""
    paths, labels, lines, faults = [], [], [], []
    for number, line in enumerate(_read_text("cls_label_path", path), 1):
        fields = line.strip().rsplit(delimiter, 1)
        if fields in ([], [""]):
            continue
        try:
            labels.append(int(fields[1]))
        except (IndexError, ValueError):
            faults.append(f"{path}:{number}: no integer label at the end; received '{line.strip()}'")
            continue
        paths.append(fields[0])
        lines.append(number)
    if faults:
        shown = "\n".join(faults[:_SHOWN])
        raise DataError(f"{shown}{_more(len(faults))}; write a path and a label on each line")
    if not paths:
        raise DataError(f"{path}: the list is empty; received no line; write a path and a label on each line")
    return paths, np.array(labels, np.int64), lines


def _check_range(labels: NDArray[np.int64], class_num: int, place_of: Callable[[int], str]) -> None:
    wrong = np.flatnonzero((labels < 0) | (labels >= class_num))
    if len(wrong):
        raise DataError(
            f"{place_of(wrong[0])}: here is the first of {len(wrong)} labels that are out of range; received "
            f"{labels[wrong[0]]} for class_num {class_num}; use 0 to {class_num - 1} or another class_num"
        )


def _check_exist(root: str, paths: Sequence[str], list_path: str, lines: Sequence[int]) -> None:
    """Look for all pictures, with one listing a folder instead of one system call a picture."""
    if not os.path.isdir(root):
        raise DataError(f"image_root: is not a folder; received '{root}'; check the path")
    files_of: dict[str, frozenset[str]] = {}
    missing = []
    for place, path in enumerate(paths):
        folder, _, name = path.rpartition("/")
        if folder not in files_of:
            files_of[folder] = frozenset(_files(os.path.join(root, folder)))
        if name not in files_of[folder]:
            missing.append(place)
    if missing:
        shown = ", ".join(f"'{paths[place]}'" for place in missing[:_SHOWN])
        raise DataError(
            f"{list_path}:{lines[missing[0]]}: {len(missing)} of {len(paths)} pictures are missing; received "
            f"{shown}{_more(len(missing))}, image_root '{root}'; correct image_root or the list"
        )


def _files(folder: str) -> Iterable[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if entry.is_file()]
    except OSError:  # then its pictures are reported as missing
        return []


def _class_folders(root: str) -> list[str]:
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


def _pictures_below(root: str, name: str) -> list[str]:
    found = []
    for folder, _, files in os.walk(os.path.join(root, name), followlinks=True):
        relative = os.path.relpath(folder, root)
        found += [f"{relative}/{file}" for file in files if file.lower().endswith(_SUFFIXES)]
    return sorted(found)


def _read_class_ids(path: str, names: Sequence[str]) -> dict[str, int]:
    """Return name -> label from lines `label name`, which must cover `names`."""
    label_of: dict[str, int] = {}
    for number, line in enumerate(_read_text("class_id_map_file", path), 1):
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
            f"{', '.join(unknown[:_SHOWN])}{_more(len(unknown))}; add a line 'label name' for each"
        )
    return label_of
