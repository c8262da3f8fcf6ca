"""The images of a run: found, checked, and divided into those to train on and those held out."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray

from ppcls.doctor.check import Checkup, check
from ppcls.doctor.divide import divide, listed
from ppcls.doctor.findings import KINDS, Findings
from ppcls.doctor.splits import Split, lists_in, splits_at, unify
from ppcls.doctor.tables import from_csv, from_flags
from ppcls.errors import DataError
from ppcls.recipes.archive import unpacked
from ppcls.text import printable

HELD_OUT = 0.2  # of each class, where the data don't say
_FIRST, _FEW = 5, 500


@dataclass(frozen=True)
class Data:
    """Images to train on and images held out, by paths below `root`, with labels as lists write them."""

    name: str
    root: str
    lines: dict[str, list[tuple[str, str]]]  # of `train` and `val`
    class_names: Sequence[str]
    class_num: int
    several: bool  # classes an image
    side_px: int  # median of the shorter sides
    sha256: str  # of names, labels and bytes
    notes: Sequence[str]

    @property
    def num_train(self) -> int:
        return len(self.lines["train"])


def find(source: str, labels: Optional[str], num_workers: int) -> Data:
    """Return the images at a folder, a .zip, a .csv or a list, checked by the doctor.

    Raises: DataError with all errors that the doctor has found, or if there are too few images to hold some out.
    """
    checkup = checked(source, labels, num_workers)
    _refuse_errors(source, checkup)
    unify_names(checkup.splits)
    several = checkup.splits[0].labels.ndim == 2
    if several != (labels == "multi") and labels is not None:
        kind = "several classes" if several else "one class"
        raise DataError(f"labels: '{labels}' doesn't fit '{printable(source)}', whose images are of {kind} each")
    root = checkup.splits[0].root if len(checkup.splits) == 1 else os.path.commonpath([s.root for s in checkup.splits])
    lines, notes = _divided(checkup, root)
    for name in ("train", "val"):
        if not lines[name]:
            raise DataError(f"{printable(source)}: no image is left for '{name}'; add images, 5 of each class at least")
    sides = np.minimum(checkup.records["width"], checkup.records["height"])
    return Data(
        name=Path(os.path.abspath(source)).stem,
        root=root,
        lines={name: [(path, _written(label)) for path, label in found] for name, found in lines.items()},
        class_names=_class_names(checkup),
        class_num=checkup.class_num,
        several=several,
        side_px=int(np.median(sides)),
        sha256=_sha256(checkup),
        notes=[*notes, *_warnings(checkup)],
    )


def checked(source: str, labels: Optional[str] = None, num_workers: int = 0) -> Checkup:
    """Return what the doctor has found at a source. Raises DataError if there is nothing of the kind."""
    findings = Findings()
    splits = splits_of(source, labels, findings)
    few = sum(map(len, splits)) < _FEW  # read faster than processes start
    return check(splits, None, findings, 0 if few else num_workers)


def splits_of(source: str, labels: Optional[str], findings: Findings) -> list[Split]:
    """Return the splits at a folder, a .zip, a .csv or a list. Raises DataError if there is nothing of the kind."""
    suffix = Path(source).suffix.lower() if os.path.isfile(source) else ""
    if suffix == ".csv":
        return [from_csv(source, findings, labels)]
    if labels == "multi":
        lists = {"all": source} if suffix == ".txt" else lists_in(source)
        if lists:
            return [from_flags(name, file, findings) for name, file in lists.items()]
    splits = splits_at(unpacked(source) if suffix == ".zip" else source, findings)
    if any(split.pack for split in splits):
        raise DataError(f"{printable(source)}: is a pack; give a folder, a .zip, a .csv or a list of images")
    return splits


def unify_names(splits: Sequence[Split]) -> None:
    """Give splits of class folders one numbering."""
    if all(split.from_folders for split in splits):
        unify(splits)


def _class_names(checkup: Checkup) -> list[str]:
    if not any(split.class_names for split in checkup.splits):
        return []
    return [checkup.class_name(label) for label in range(checkup.class_num)]


def _refuse_errors(source: str, checkup: Checkup) -> None:
    wrong = [found for found in checkup.findings.sorted() if KINDS[found.kind].severity == "error"]
    if not wrong:
        return
    shown = [
        f"{found.examples[0].where}: {found.kind}"
        + (f" ({found.examples[0].detail})" if found.examples[0].detail else "")
        + f", the first of {found.count} {KINDS[found.kind].meaning}; {KINDS[found.kind].advice}"
        for found in wrong
    ]
    raise DataError("\n".join([*shown, f"{printable(source)}: see all by `ppcls data check`; nothing was trained"]))


def _warnings(checkup: Checkup) -> list[str]:
    found = [found for found in checkup.findings.sorted() if KINDS[found.kind].severity == "warning"]
    return [f"the doctor warns: {one.count} {KINDS[one.kind].meaning}" for one in found[:_FIRST]]


def _divided(checkup: Checkup, root: str) -> tuple[dict[str, list[tuple[str, Any]]], list[str]]:
    """Return the images of `train` and `val`, as the source has them or divided here; and what to know of that."""
    by_name = {split.name: split for split in checkup.splits}
    if "train" in by_name and "val" in by_name:
        notes = ["the split is the source's own"]
        notes += [f"its split '{name}' is not used" for name in by_name if name not in ("train", "val")]
        pairs = {name: _pairs(by_name[name], root) for name in ("train", "val")}
        return pairs, notes
    split = by_name.get("train", checkup.splits[0])
    if len(checkup.splits) > 1:
        raise DataError(
            f"{printable(split.source)}: has splits {', '.join(by_name)}; give train and val, or just class folders"
        )
    strata = split.labels if split.labels.ndim == 1 else _rarest(split.labels)
    divided = divide(strata, checkup.groups, [1 - HELD_OUT, HELD_OUT], seed=0)
    found = _pairs(split, root)
    parts = {"train": 0, "val": 1}
    pairs = {name: [found[place] for place in np.flatnonzero(divided == part)] for name, part in parts.items()}
    return pairs, [f"{HELD_OUT:.0%} of each class is held out; images that look alike are on one side"]


def _pairs(split: Split, root: str) -> list[tuple[str, Any]]:
    if split.labels.ndim == 1:
        return [*listed([split], root)[split.name]]
    below = os.path.relpath(split.root, root)
    paths = [os.path.normpath(os.path.join(below, path)) for path in split.paths]
    return list(zip(paths, split.labels.tolist()))


def _written(label: Any) -> str:
    return ",".join(map(str, label)) if isinstance(label, list) else str(label)


def _rarest(labels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return for each image the class of it that fewest images have; the number of classes where it has none."""
    counts = labels.sum(axis=0, dtype=np.int64)
    seen = np.where(labels > 0, counts, np.iinfo(np.int64).max)
    rarest: NDArray[np.int64] = np.where(labels.any(axis=1), seen.argmin(axis=1), labels.shape[1])
    return rarest


def _sha256(checkup: Checkup) -> str:
    digest = hashlib.sha256()
    for place, split in enumerate(checkup.splits):
        own = zip(split.paths, split.labels.tolist(), checkup.records_of(place)["digest"].tolist())
        for row in sorted(own):
            digest.update(repr((split.name, *row)).encode(errors="surrogateescape"))
    return digest.hexdigest()
