"""The images to check, from a config or a path, with what is wrong already in lists and folders."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray

from ppcls.data.sources.checks import find_missing, listed
from ppcls.data.sources.folders import below_class, class_folders, read_class_ids, split_names
from ppcls.data.sources.listing import Listing, class_id, flags, names_of, read_list
from ppcls.data.sources.lists import renumbered
from ppcls.data.sources.names import Names
from ppcls.data.sources.packed import Pack
from ppcls.doctor.files import FilesTask, PackTask, Task
from ppcls.doctor.findings import Findings
from ppcls.errors import DataError
from ppcls.images.walk import Kind, entries, folders_in, is_image
from ppcls.text import as_utf8, printable

_IMAGES_PER_TASK = 256
_SPLITS = ("train", "val", "test")
# What is found below folders and is no image -> the kind of its finding.
_NO_IMAGES: dict[Kind, str] = {
    "ignored": "not an image",
    "hidden": "hidden",
    "loop": "link to itself",
    "unreadable": "unreadable folder",
}


@dataclass
class Split:
    """A part of a data set: its images by name, and their labels (int64 [N], or uint8 [N, classes])."""

    name: str
    source: str
    paths: Names
    labels: NDArray[Any]
    class_names: Sequence[str] = ()
    root: str = ""
    # Of a list: the number of each image's line.
    lines: Optional[NDArray[np.int64]] = None
    pack: Optional[Pack] = None
    # Class folders give each split labels of its own, which must agree.
    from_folders: bool = False

    def __len__(self) -> int:
        return len(self.paths)

    def where(self, index: int) -> str:
        """Return an image's path as it is printed, with its place in the list if there is one."""
        path = self.paths[index]
        if self.lines is not None:
            return printable(f"{self.source}:{self.lines[index]}: {path}")
        return printable(f"{self.source}: {path}" if self.pack else os.path.join(self.root, path))

    def tasks(self, indices: Sequence[int]) -> Iterator[Task]:
        """Yield, in portions, what a process needs to read these images."""
        for start in range(0, len(indices), _IMAGES_PER_TASK):
            portion = [int(index) for index in indices[start : start + _IMAGES_PER_TASK]]
            paths = [self.paths[index] for index in portion]
            yield PackTask(self.pack.path, portion, paths) if self.pack else FilesTask(self.root, paths)

    def class_counts(self, class_num: int) -> NDArray[np.int64]:
        """Return the number of images of each class."""
        if self.labels.ndim == 2:
            counts: NDArray[np.int64] = self.labels.sum(axis=0, dtype=np.int64)
            return counts
        return np.bincount(self.labels[(self.labels >= 0) & (self.labels < class_num)], minlength=class_num)

    def label(self, index: int) -> str:
        """Return an image's label in words."""
        if self.labels.ndim == 2:
            return ",".join(map(str, self.labels[index]))
        label = int(self.labels[index])
        return f"{label} ({self.class_names[label]})" if 0 <= label < len(self.class_names) else str(label)


def splits_at(path: str, findings: Findings) -> list[Split]:
    """Return the splits at a path: a pack, a list beside its images, or a folder.

    A folder has train_list.txt and the like, or folders train, val and test with class folders, or these.
    Raises: DataError if it is none of these.
    """
    if os.path.isfile(path):
        if is_image(path):
            raise DataError(f"{printable(path)}: is an image; give a folder, a list file or a pack")
        with open(path, "rb") as file:
            is_pack = file.read(5) == b"ppcls"
        folder = os.path.dirname(path) or "."
        return [from_pack("all", path) if is_pack else from_list("all", path, folder, findings)]
    found = [from_list(name, file, path, findings) for name, file in lists_in(path).items()]
    return found or folders_at(path, findings)


def lists_in(folder: str) -> dict[str, str]:
    """Return the lists of a folder by the splits that they are of."""
    lists = {name: os.path.join(folder, f"{name}_list.txt") for name in _SPLITS}
    return {name: file for name, file in lists.items() if os.path.isfile(file)}


def folders_at(path: str, findings: Findings) -> list[Split]:
    """Return the splits of a folder by its folders, whatever lists it has. Raises: DataError."""
    if not os.path.isdir(path):
        raise DataError(f"{printable(path) or 'PATH'}: does not exist; check the path")
    names = [name for name in _SPLITS if (Path(path) / name).is_dir()]
    roots = {name: str(Path(path) / name) for name in names} or {"all": path}
    for root in roots.values():
        if os.access(root, os.R_OK) and not folders_in(root):
            raise DataError(f"{printable(root)}: has no folders; give a folder with one folder per class, or a list")
    return [from_folder(name, root, findings) for name, root in roots.items()]


def unify(splits: Sequence[Split]) -> None:
    """Give splits of class folders one numbering: the ranks among the folders of all of them."""
    names = sorted({name for split in splits for name in split.class_names})
    for split in splits:
        ranks = np.array([names.index(name) for name in split.class_names], np.int64)
        split.labels, split.class_names = ranks[split.labels], names


def split_of(
    name: str,
    dataset: str,
    arguments: Mapping[str, Any],
    class_num: int,
    findings: Findings,
    relabel_lists: Sequence[str] = (),
) -> Split:
    """Return the split that the arguments of a data set in a config describe. Raises: DataError."""
    if dataset == "PackedDataset":
        return from_pack(name, arguments["data_file"])
    if dataset == "ImageFolder" or (dataset == "ImageNetDataset" and arguments["cls_label_path"] is None):
        return from_folder(name, arguments["image_root"], findings, arguments.get("class_id_map_file"))
    if dataset in ("ImageNetDataset", "MultiLabelDataset"):
        several = dataset == "MultiLabelDataset"
        delimiter = arguments.get("delimiter", "\t" if several else None)
        split = from_list(
            name,
            arguments["cls_label_path"],
            arguments["image_root"],
            findings,
            delimiter=delimiter,
            classes=class_num if several else 0,
            class_id_map_file=arguments.get("class_id_map_file"),
        )
        if arguments.get("relabel", False):
            split.labels, _ = renumbered(split.labels, relabel_lists, delimiter)
        return split
    raise DataError(f"{name}: the files of {dataset} are checked whenever they are read; there is no more to do")


def from_pack(name: str, path: str) -> Split:
    """Return the images of a pack."""
    pack = Pack(path)
    labels = pack.labels if pack.labels.ndim == 1 else pack.labels.astype(np.uint8)
    return Split(name, path, pack.names, labels, class_names=pack.label_names, pack=pack)


def from_list(
    name: str,
    path: str,
    root: str,
    findings: Findings,
    *,
    delimiter: Optional[str] = None,
    classes: int = 0,
    class_id_map_file: Optional[str] = None,
) -> Split:
    """Return the images of a list that are there; with `classes`, each line has so many labels 0 or 1."""
    listing = read_list(path, delimiter, flags if classes else class_id)
    for line in listing.faulty:
        findings.add("bad line", name, f"{path}:{line.number}", f"{line.fault}: '{line.text}'")
    if not listing.paths:
        findings.add("empty list", name, path)
    missing = find_missing(root, listing.paths)
    for place in missing:
        hint = "; write / instead of \\" if "\\" in listing.paths[place] else ""
        findings.add("missing", name, f"{path}:{listing.lines[place]}: {listing.paths[place]}", f"in '{root}'{hint}")
    wrong = [p for p, label in enumerate(listing.labels) if classes and len(label) != classes]
    for place in wrong:
        findings.add("wrong label count", name, f"{path}:{listing.lines[place]}", f"{len(listing.labels[place])}")
    repeated = _repeated(name, path, listing, findings)
    unusable = {*missing, *wrong, *repeated}
    keep = [place for place in range(len(listing.paths)) if place not in unusable]
    labels = [listing.labels[place] for place in keep]
    return Split(
        name,
        path,
        Names([listing.paths[place] for place in keep]),
        np.frombuffer(b"".join(labels), np.uint8).reshape(-1, classes) if classes else np.array(labels, np.int64),
        class_names=names_of(path, class_id_map_file),
        root=root,
        lines=np.array([listing.lines[place] for place in keep], np.int64),
    )


def _repeated(name: str, path: str, listing: Listing, findings: Findings) -> set[int]:
    """Note which lines name a file again, and return their places."""
    # Hashes first: a million texts more, in a dictionary, would take 300 MB.
    hashes = np.fromiter((hash(os.path.normpath(listed)) for listed in listing.paths), np.int64, len(listing.paths))
    _, numbers, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    first: dict[str, int] = {}
    repeated = set()
    for place in np.flatnonzero(counts[numbers] > 1).tolist():
        listed = listing.paths[place]
        before = first.setdefault(os.path.normpath(listed), place)
        if before != place:
            kind = "listed twice" if listing.labels[before] == listing.labels[place] else "two labels"
            findings.add(kind, name, f"{path}:{listing.lines[place]}: {listed}", f"as line {listing.lines[before]}")
            repeated.add(place)
    return repeated


def from_folder(name: str, root: str, findings: Findings, class_id_map_file: Optional[str] = None) -> Split:
    """Return the images below class folders."""
    folders = class_folders(root)
    names = list(folders)
    label_of = {folder: rank for rank, folder in enumerate(names)}
    if class_id_map_file is not None:
        label_of = read_class_ids(class_id_map_file, names)
    elif all(map(str.isdecimal, names)) and names != sorted(names, key=int):
        findings.add("numbers as names", name, printable(root), ", ".join(names[:3]))
    _note_folders(name, root, names, findings)
    paths: list[str] = []
    labels: list[int] = []
    for folder in names:
        found = list(below_class(root, folder, folders))
        for path, kind in found:
            if kind in _NO_IMAGES:
                findings.add(_NO_IMAGES[kind], name, printable(os.path.join(root, path)))
        images = [path for path, kind in found if kind == "image"]
        if not images:
            findings.add("empty class", name, printable(os.path.join(root, folder)))
        paths += images
        labels += [label_of[folder]] * len(images)
    class_names = [""] * (max(label_of.values()) + 1)
    for folder, label in label_of.items():
        class_names[label] = as_utf8(folder)
    return Split(
        name,
        root,
        Names(paths),
        np.array(labels, np.int64),
        class_names=class_names,
        root=root,
        from_folders=class_id_map_file is None,
    )


def _note_folders(name: str, root: str, names: Sequence[str], findings: Findings) -> None:
    """Note what is odd about the class folders themselves, and what lies beside them."""
    plain: dict[str, str] = {}
    for folder in names:
        twin = plain.setdefault("".join(folder.lower().split()), folder)
        if twin != folder:
            findings.add("twin classes", name, printable(os.path.join(root, folder)), f"'{printable(twin)}'")
    for path, kind in entries(root):
        if kind == "image":
            findings.add("outside a class", name, printable(os.path.join(root, path)))
        elif kind in _NO_IMAGES:
            findings.add(_NO_IMAGES[kind], name, printable(os.path.join(root, path)))
    if split_names(names):
        findings.add("splits as classes", name, printable(root), listed(names))
    if len(names) == 1:
        inner = os.path.join(root, names[0])
        deeper = folders_in(inner)
        findings.add("one folder too deep" if len(deeper) > 1 else "one class", name, printable(inner), listed(deeper))
