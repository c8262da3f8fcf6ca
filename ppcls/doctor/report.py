"""What a check found, as tables to read and as JSON."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from prettytable import PrettyTable

from ppcls.doctor.check import Checkup
from ppcls.doctor.files import FORMATS, Records
from ppcls.doctor.findings import KINDS
from ppcls.text import as_utf8

_QUANTILES = {"smallest": 0.0, "5 %": 0.05, "median": 0.5, "95 %": 0.95, "largest": 1.0}
_CLASSES_SHOWN, _GROUPED_SHOWN = 5, 20_000


def as_json(checkup: Checkup) -> str:
    """Return as JSON what was found: the first 1000 cases of each kind, and groups of the first 20000 images."""
    counts = checkup.class_counts()
    report = {
        "errors": checkup.findings.count("error"),
        "warnings": checkup.findings.count("warning"),
        "splits": [
            {
                "name": split.name,
                "source": as_utf8(split.source),
                "images": len(split),
                "classes": {checkup.class_name(label): int(n) for label, n in enumerate(own)},
                "bytes": int(checkup.records_of(place)["bytes"].sum(dtype=np.int64)),
                "formats": formats(checkup.records_of(place)),
                "sizes_px": sizes(checkup.records_of(place)),
            }
            for place, (split, own) in enumerate(zip(checkup.splits, counts))
        ],
        "findings": [
            {
                "kind": found.kind,
                "severity": KINDS[found.kind].severity,
                "split": found.split,
                "count": found.count,
                "meaning": KINDS[found.kind].meaning,
                "advice": KINDS[found.kind].advice,
                "cases": [{"where": example.where, "detail": example.detail} for example in found.examples],
            }
            for found in checkup.findings.sorted()
        ],
        "num_groups": len(checkup.groups),
        "groups": list(_groups(checkup)),
    }
    return json.dumps(report, indent=1, ensure_ascii=False)


def _groups(checkup: Checkup) -> Iterator[list[dict[str, str]]]:
    left = _GROUPED_SHOWN
    for group in checkup.groups:
        if left <= 0:
            return
        yield [_member(checkup, number) for number in group[:left]]
        left -= len(group)


def _member(checkup: Checkup, number: int) -> dict[str, str]:
    place, index = checkup.place(number)
    split = checkup.splits[place]
    return {"split": split.name, "where": split.where(index), "label": split.label(index)}


def formats(records: Records) -> dict[str, int]:
    """Return how many images have which format."""
    names, numbers = np.unique(records["format"][records["bytes"] > 0], return_counts=True)
    return {FORMATS[name]: int(number) for name, number in zip(names, numbers)}


def sizes(records: Records) -> Mapping[str, Mapping[str, int]]:
    """Return quantiles of width and height, in pixels, of the images that can be decoded."""
    whole = records[records["width"] > 0]
    if not len(whole):
        return {}
    values = list(_QUANTILES.values())
    return {
        side: dict(zip(_QUANTILES, np.quantile(whole[side], values, method="nearest").astype(int).tolist()))
        for side in ("width", "height")
    }


def as_tables(checkup: Checkup) -> str:
    """Return tables of the splits, of the classes with most and fewest images, and of the findings."""
    return "\n".join([_splits(checkup), _classes(checkup), _findings(checkup)])


def _splits(checkup: Checkup) -> str:
    table = PrettyTable(["split", "images", "classes", "megabytes", "formats", "width x height (median)"], align="l")
    for place, (split, own) in enumerate(zip(checkup.splits, checkup.class_counts())):
        records = checkup.records_of(place)
        quantiles = sizes(records)
        middle = " x ".join(str(side["median"]) for side in quantiles.values()) or "-"
        shown = ", ".join(f"{name} {number}" for name, number in formats(records).items())
        megabytes = f"{records['bytes'].sum(dtype=np.int64) / 1e6:.1f}"
        table.add_row([split.name, len(split), int((own > 0).sum()), megabytes, shown, middle])
    return str(table)


def _classes(checkup: Checkup) -> str:
    counts = checkup.class_counts()
    order: list[Any] = np.argsort(-counts[0], kind="stable").tolist()
    if len(order) > 2 * _CLASSES_SHOWN:
        order = [*order[:_CLASSES_SHOWN], None, *order[-_CLASSES_SHOWN:]]
    table = PrettyTable(["class", *(split.name for split in checkup.splits)], align="r")
    for label in order:
        table.add_row(["..."] * (len(counts) + 1) if label is None else _row(checkup, label))
    return str(table)


def _row(checkup: Checkup, label: int) -> list[Any]:
    return [checkup.class_name(label), *(int(own[label]) for own in checkup.class_counts())]


def _findings(checkup: Checkup) -> str:
    table = PrettyTable(["", "split", "found", "of", "the first one", "what to do"], align="l")
    table.max_width = 48
    for found in checkup.findings.sorted():
        kind, first = KINDS[found.kind], found.examples[0]
        example = f"{first.where} ({first.detail})" if first.detail else first.where
        advice = "" if kind.severity == "note" else kind.advice
        table.add_row([kind.severity, found.split, found.count, f"{found.kind}: {kind.meaning}", example, advice])
    return str(table) if checkup.findings.sorted() else "Nothing was found to be wrong."
