"""The check itself: every image is read once, then classes, copies and look-alikes are counted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Optional

import numpy as np
from numpy.typing import NDArray

from ppcls.data.loader.parallel import in_processes
from ppcls.doctor import duplicates
from ppcls.doctor.files import FAULTS, RECORD, SAID, Records, inspect, thumbnails
from ppcls.doctor.findings import Findings
from ppcls.doctor.progress import Progress
from ppcls.doctor.splits import Split, unify

_RARE, _IMBALANCE = 5, 10
_DETAILS_KEPT = 20_000


@dataclass
class Checkup:
    """What is known of a data set: its splits, a record for each image of all of them in turn, and the findings."""

    splits: Sequence[Split]
    class_num: int
    findings: Findings
    records: Records
    # Images that are or look the same, by their number among all.
    groups: list[list[int]] = field(default_factory=list)

    def place(self, number: int) -> tuple[int, int]:
        """Return the number of an image's split, and its number in there."""
        place = 0
        while number >= len(self.splits[place]):
            number -= len(self.splits[place])
            place += 1
        return place, number

    def records_of(self, place: int) -> Records:
        """Return the records of one split."""
        start = sum(map(len, self.splits[:place]))
        return self.records[start : start + len(self.splits[place])]

    def class_name(self, label: int) -> str:
        """Return a class's name, or its number where it has none."""
        names = next((split.class_names for split in self.splits if split.class_names), ())
        return names[label] if label < len(names) and names[label] else str(label)

    def class_counts(self) -> list[NDArray[np.int64]]:
        """Return the number of images of each class, by split."""
        return [split.class_counts(self.class_num) for split in self.splits]


def check(splits: Sequence[Split], class_num: Optional[int], findings: Findings, num_workers: int) -> Checkup:
    """Check the splits; without `class_num`, the largest label tells the number of classes."""
    if class_num is None:
        class_num = max(map(_classes_of, splits))
    records, details = read_all(splits, num_workers)
    checkup = Checkup(splits, class_num, findings, records)
    for place in range(len(splits)):
        _note_files(checkup, place, details)
        _note_labels(checkup, place)
    _note_folders(checkup)
    _note_classes(checkup)
    checkup.groups = find_groups(splits, records, num_workers)
    for group in checkup.groups:
        _note_group(checkup, group)
    return checkup


def _classes_of(split: Split) -> int:
    if split.labels.ndim == 2:
        return int(split.labels.shape[1])
    return max(int(split.labels.max(initial=-1)) + 1, len(split.class_names))


def read_all(splits: Sequence[Split], num_workers: int) -> tuple[Records, dict[int, str]]:
    """Read every image; return the records, and what else there is to say on the first odd ones."""
    records = np.zeros(sum(map(len, splits)), RECORD)
    details: dict[int, str] = {}
    done = 0
    with Progress(len(records), "images checked") as progress:
        tasks = (task for split in splits for task in split.tasks(range(len(split))))
        for found, said in in_processes(inspect, tasks, num_workers):
            records[done : done + len(found)] = found
            if len(details) < _DETAILS_KEPT:
                details.update((done + place, text) for place, text in said.items())
            done += len(found)
            progress.update(done)
    return records, details


def find_groups(splits: Sequence[Split], records: Records, num_workers: int) -> list[list[int]]:
    """Return the groups of images that are or look the same, by their number among all."""
    groups = duplicates.Groups(len(records))
    groups.join(duplicates.same_pairs(records["digest"], np.flatnonzero(records["bytes"])))
    firsts = [number for number in np.flatnonzero(records["usable"]).tolist() if groups.first(number) == number]
    pairs = duplicates.near_pairs(records["looks"], np.array(firsts, np.int64))
    numbers, places = np.unique(pairs, return_inverse=True)
    thumbs = _thumbnails(splits, numbers, num_workers)
    groups.join(pairs[duplicates.agreeing(thumbs, places.reshape(pairs.shape))])
    return groups.members()


def _thumbnails(splits: Sequence[Split], numbers: NDArray[np.int64], num_workers: int) -> NDArray[np.uint8]:
    """Return the thumbnails of some images, given by their numbers among all, in order."""
    tasks, start = [], 0
    for split in splits:
        inside = numbers[(numbers >= start) & (numbers < start + len(split))] - start
        tasks += list(split.tasks(inside.tolist()))
        start += len(split)
    # A few are read faster than processes start.
    found = list(in_processes(thumbnails, tasks, num_workers if len(tasks) > 4 else 0))
    return np.concatenate([np.empty((0, duplicates.THUMB_PX**2), np.uint8), *found])


def _note_files(checkup: Checkup, place: int, details: Mapping[int, str]) -> None:
    split, start = checkup.splits[place], sum(map(len, checkup.splits[:place]))
    faults = checkup.records_of(place)["faults"]
    for bit, kind in enumerate(FAULTS):
        for index in np.flatnonzero(faults >> bit & 1).tolist():
            detail = details.get(start + index, "") if kind in SAID else ""
            checkup.findings.add(kind, split.name, split.where(index), detail, (place, index))


def _note_labels(checkup: Checkup, place: int) -> None:
    split = checkup.splits[place]
    if split.labels.ndim == 1:
        for index in np.flatnonzero((split.labels < 0) | (split.labels >= checkup.class_num)).tolist():
            detail = f"{split.labels[index]} of {checkup.class_num} classes"
            checkup.findings.add("label out of range", split.name, split.where(index), detail, (place, index))


def _note_folders(checkup: Checkup) -> None:
    """Note where splits have other class folders, and count them by name from there on."""
    first = checkup.splits[0]
    if not all(split.from_folders for split in checkup.splits):
        return
    for split in checkup.splits[1:]:
        other = sorted(set(split.class_names) ^ set(first.class_names))
        if other:
            checkup.findings.add("other classes", split.name, split.source, ", ".join(other[:5]))
    unify(checkup.splits)
    checkup.class_num = max(checkup.class_num, len(first.class_names))


def _note_classes(checkup: Checkup) -> None:
    counts, first = checkup.class_counts(), checkup.splits[0]
    for split, own in zip(checkup.splits, counts):
        for label in np.flatnonzero(own == 0).tolist():
            checkup.findings.add("no images", split.name, f"{split.source}: class {checkup.class_name(label)}")
        for label in np.flatnonzero((own > 0) & (counts[0] == 0)).tolist():
            checkup.findings.add("never trained", split.name, f"{split.source}: class {checkup.class_name(label)}")
    for label in np.flatnonzero((counts[0] > 0) & (counts[0] < _RARE)).tolist():
        where = f"{first.source}: class {checkup.class_name(label)}"
        checkup.findings.add("rare class", first.name, where, f"{counts[0][label]} images")
    if counts[0].max(initial=0) > _IMBALANCE * counts[0][counts[0] > 0].min(
        initial=np.iinfo(np.int64).max // _IMBALANCE
    ):
        checkup.findings.add("imbalance", first.name, first.source)


def _note_group(checkup: Checkup, group: Sequence[int]) -> None:
    """Note each image of a group but the first, which the others repeat."""
    same: dict[int, int] = {}
    for number in group:
        digest = int(checkup.records["digest"][number])
        twin = same.setdefault(digest, number)
        kinds = ("copies", "leak", "copies with two labels")
        if twin == number:
            twin, kinds = group[0], ("near copies", "near leak", "near copies with two labels")
        if twin == number:
            continue
        (place, index), (twin_place, twin_index) = checkup.place(number), checkup.place(twin)
        split, twin_split = checkup.splits[place], checkup.splits[twin_place]
        differ = not np.array_equal(split.labels[index], twin_split.labels[twin_index])
        found = [kinds[1]] if place != twin_place else [] if differ else [kinds[0]]
        for kind in [*found, *kinds[2:] * differ]:
            detail = f"as {twin_split.where(twin_index)}"
            if kind == kinds[2]:
                detail = f"{split.label(index)}, but {twin_split.label(twin_index)} {detail}"
            checkup.findings.add(kind, split.name, split.where(index), detail, (place, index))
