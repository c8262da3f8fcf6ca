"""The files of a report: the page, and beside it all numbers as JSON and CSV."""

import contextlib
import csv
import io
import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Optional

from ppcls.doctor.relabel import COLUMNS
from ppcls.errors import UserError
from ppcls.files import make_folder, write_text
from ppcls.metrics.calibration import expected_error
from ppcls.report.content import Content, collect, speed_of
from ppcls.report.evaluation import Evaluation
from ppcls.report.page import as_page
from ppcls.report.sources import Source, source_at

logger = logging.getLogger("ppcls")

PAGE, NUMBERS = "report.html", "report"
_FILES = ("report.json", "predictions.csv", "classes.csv", "confusion.csv", "suspects.csv")
_SUSPECTS = 10_000
_MOST_IN_MATRIX = 3_000  # classes: the confusion matrix grows with their square


def write_report(content: Content, out: Path) -> Path:
    """Write `report.html` into a folder, and the numbers into `report/` there; return the page's path."""
    text = as_page(content)
    numbers = out / NUMBERS
    make_folder(numbers, "--out")
    measured = content.measured
    write_text(numbers / "report.json", as_json(content))
    write_text(numbers / "predictions.csv", _predictions(measured))
    write_text(numbers / "classes.csv", _classes(measured))
    if not measured.several:
        names = list(measured.class_names)
        if len(names) <= _MOST_IN_MATRIX:
            rows = ([name, *row] for name, row in zip(names, measured.confusion.tolist()))
            write_text(numbers / "confusion.csv", _csv(["image", *names], rows))
        suspected = (content.trained or (None, measured))[1].suspects(_SUSPECTS)
        suspects = ([one.path, one.label, one.predicted] for one in suspected)
        write_text(numbers / "suspects.csv", _csv(COLUMNS, suspects))
    write_text(out / PAGE, text)
    return out / PAGE


def remove_report(folder: Path) -> None:
    """Remove what `write_report` has written into a folder, the page first."""
    for file in (folder / PAGE, *(folder / NUMBERS / name for name in _FILES)):
        file.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # it was not there, or has files of others
        (folder / NUMBERS).rmdir()


def write_if_possible(run_folder: Path, source: Optional[Source] = None) -> Optional[Path]:
    """Write the report of a run with a new model into its folder; one that can't be is no end of a good run.

    `source`: the model, where it is in memory.
    """
    try:
        return write_report(collect(source or source_at(run_folder), None), run_folder)
    except UserError as error:
        logger.warning(f"there is no report: {error}")
        return None


def as_json(content: Content) -> str:
    """Return all numbers but those of single images."""
    measured, honest = content.measured, content.honesty
    calibration: dict[str, Any] = {}
    if measured.has_shares:
        calibration["before"] = _bins(measured.scores, measured)
        if honest is not None:
            calibration.update(after=_bins(honest.calibrated(measured.scores), measured), fitted=asdict(honest))
    if content.at_best_f1 is not None:
        calibration["classes"] = [asdict(row) for row in content.at_best_f1.per_class]  # at thresholds of the best F1
    made = {**content.made, "data": {k: {**v, "images": None} for k, v in content.made.get("data", {}).items()}}
    report = {
        "model": content.source.title,
        "num_images": len(measured.labels),
        "metrics": measured.metrics,
        "accuracy": measured.accuracy._asdict(),
        "classes": [asdict(row) for row in measured.per_class],
        "confused": [pair._asdict() for pair in measured.confused()],
        "confusion": measured.confusion.tolist() if len(measured.class_names) <= _MOST_IN_MATRIX else None,
        "calibration": calibration,
        "copies": [dict(zip(("kind", "meaning", "count", "first"), row)) for row in content.copies],
        "images_per_second": speed_of(content.history),
        "made": made,
        "history": content.history,
    }
    return json.dumps(report, indent=1, ensure_ascii=False) + "\n"


def _bins(scores: Any, measured: Evaluation) -> dict[str, Any]:
    bins = measured.reliability(scores)
    return {"expected_error": expected_error(bins), "bins": [one._asdict() for one in bins]}


def _predictions(measured: Evaluation) -> str:
    answers = (measured.answer(place) for place in range(len(measured.paths)))
    rows = (
        [one.path, one.label, one.predicted, f"{one.score:.6g}", f"{one.label_score:.6g}", int(right)]
        for one, right in zip(answers, measured.right)
    )
    return _csv(["path", "label", "predicted", "score", "label_score", "right"], rows)


def _classes(measured: Evaluation) -> str:
    shares = ("precision", "recall", "f1")
    head = ["class", "images", "answers", *(f"{name}{end}" for name in shares for end in ("", "_low", "_high"))]
    rows = (
        [row.name, row.support, row.answers, *(f"{value:.6g}" for name in shares for value in getattr(row, name))]
        for row in measured.per_class
    )
    return _csv(head, rows)


def _csv(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return text.getvalue()
