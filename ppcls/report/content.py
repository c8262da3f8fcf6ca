"""What a report says, before it is a page, JSON or tables."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Optional

import numpy as np

from ppcls.data.sources.base import LabelledImages
from ppcls.data.sources.lists import relabelled
from ppcls.doctor.check import check
from ppcls.doctor.findings import KINDS, Findings
from ppcls.doctor.splits import split_of
from ppcls.engine import manifest
from ppcls.errors import DataError
from ppcls.inference import honesty
from ppcls.inference.honesty import Honesty
from ppcls.report import thresholds
from ppcls.report.evaluation import Evaluation
from ppcls.report.sources import Source

# Larger training sets are not looked through for suspects and copies unless they are asked for.
MOST_TRAINED = 5_000
_FOUND = ("copies", "near copies", "leak", "near leak", "copies with two labels", "near copies with two labels")


@dataclass(frozen=True)
class Content:
    """All that is known of a model: `data` has the images that were measured, `trained` those it was trained on."""

    source: Source
    data: LabelledImages
    measured: Evaluation
    honesty: Optional[Honesty]
    made: Mapping[str, Any]  # the manifest of the run, or of this command
    history: list[dict[str, Any]]  # of the training, by lines
    trained: Optional[tuple[LabelledImages, Evaluation]] = None
    at_best_f1: Optional[Evaluation] = None  # of several classes an image
    copies: Sequence[tuple[str, str, int, str]] = ()  # kind, meaning, how many, the first one


def collect(source: Source, data: Optional[str]) -> Content:
    """Measure a model on the images at `data`, or on those that its run holds out. Raises DataError."""
    data_set = source.data(data)
    content = described(source, data_set, source.evaluate(data_set))
    trained = _trained(source) if data is None else None
    return content if trained is None else replace(content, trained=trained, copies=_copies(source))


def described(source: Source, data: LabelledImages, measured: Evaluation) -> Content:
    """Return what is known of a model that was measured."""
    fitted, at_best_f1 = None, None
    if len(measured.labels) >= honesty.LEAST_IMAGES:
        if measured.several:
            at_best_f1, _ = thresholds.fit_all(measured, thresholds.Goal())
        elif measured.has_shares:
            fitted = honesty.fit(measured.scores, measured.labels)
    made = manifest.read(source.records) if source.run else {}
    if not made:
        made = {**manifest.described(), "data": {"--data": manifest.described_data(data)}}
    return Content(source, data, measured, fitted, made, history_of(source.records), at_best_f1=at_best_f1)


def _trained(source: Source) -> Optional[tuple[LabelledImages, Evaluation]]:
    if source.run is None or source.run.DataLoader.Train is None:
        return None
    data_set = source.labelled(source.run.DataLoader.Train)
    if len(data_set) > MOST_TRAINED or data_set.labels.ndim > 1:
        return None
    return data_set, source.evaluate(data_set)


def _copies(source: Source) -> list[tuple[str, str, int, str]]:
    """Return which images of the run's splits are, or look, the same."""
    assert source.run is not None
    sections = {"Train": source.run.DataLoader.Train, "Eval": source.run.DataLoader.Eval}
    findings, lists = Findings(), relabelled(section.dataset for section in sections.values() if section is not None)
    try:
        splits = [
            split_of(name, section.dataset.name, section.dataset.args, source.run.class_num, findings, lists)
            for name, section in sections.items()
            if section is not None
        ]
    except DataError:
        return []  # a kind of data set that the check does not read
    findings = Findings()
    check(splits, source.run.class_num, findings, 0)
    return [
        (found.kind, KINDS[found.kind].meaning, found.count, f"{found.examples[0].where} {found.examples[0].detail}")
        for found in findings.sorted()
        if found.kind in _FOUND
    ]


def history_of(folder: Path) -> list[dict[str, Any]]:
    """Return the lines of a run's `metrics.jsonl`; none where there is no such file."""
    file = folder / "metrics.jsonl"
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.is_file() else []


def speed_of(history: list[dict[str, Any]]) -> Optional[float]:
    """Return the images a second of a training: the median of its lines."""
    rates = [line["ips"] for line in history if line["phase"] == "train"]
    return float(np.median(rates)) if rates else None
