"""Where the numbers of a run go: `metrics.jsonl`, and what else the config asks for."""

import csv
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Optional, Protocol, TextIO

from ppcls.config.schema import GlobalSection
from ppcls.engine.trackers import TRACKERS, VisualDL, forget_runs
from ppcls.files import replacing

logger = logging.getLogger("ppcls")


class Scalars(Protocol):
    """Takes the numbers of a run as they come."""

    def add(self, phase: str, step: int, values: Mapping[str, float]) -> None:
        """Record `values` of the phase (`train`, `eval`) at an optimizer step."""

    def close(self) -> None:
        """Write what is still held back."""


class JsonLines:
    """One JSON object per line in `path`: phase, step and the values.

    A run begins after `done`, epochs and batches of the next one. Later lines are removed: it writes those again.
    Damaged lines are moved to a file beside.
    """

    def __init__(self, path: Path, *, done: tuple[int, int]) -> None:
        # The bytes after the last line's end: half a line of a killed run, or nothing.
        *before, _ = path.read_bytes().split(b"\n") if path.exists() else [b""]
        places = [_place(line) for line in before]
        damaged = [line for line, place in zip(before, places) if place is None]
        if damaged:
            beside = path.with_name(f"{path.name}.damaged")
            with beside.open("ab") as file:
                file.writelines(line + b"\n" for line in damaged)
            logger.warning(f"{path}: {len(damaged)} damaged line(s), moved to {beside.name}")
        with replacing(path) as file:
            file.writelines(line + b"\n" for line, place in zip(before, places) if place and place <= done)
        self.file: TextIO = path.open("a", encoding="utf-8", buffering=1)

    def add(self, phase: str, step: int, values: Mapping[str, float]) -> None:
        self.file.write(json.dumps({"phase": phase, "step": step, **values}) + "\n")

    def close(self) -> None:
        self.file.close()


def _place(line: bytes) -> Optional[tuple[int, int]]:
    """Return the epochs, and the batches of the next one, that were done when the line was written; None: damaged."""
    try:
        record = json.loads(line)
        epoch, batch = record["epoch"], record.get("batch")
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError):
        return None
    if type(epoch) is not int or type(batch) not in (int, type(None)):
        return None
    return (epoch, 0) if batch is None else (epoch - 1, batch)


class Csv:
    """`metrics.jsonl` as a table in `metrics.csv`: a row per line, a column per key."""

    def __init__(self, json_lines: Path) -> None:
        self.json_lines = json_lines
        self.columns: list[str] = []
        self._write()

    def _write(self) -> None:
        """Write the whole table, as a new run or a new key needs it."""
        with self.json_lines.open(encoding="utf-8") as file:
            self.columns = list(dict.fromkeys(key for line in file for key in json.loads(line)))
        path = self.json_lines.with_suffix(".csv")
        with self.json_lines.open(encoding="utf-8") as lines, path.open("w", encoding="utf-8", newline="") as table:
            writer = csv.DictWriter(table, self.columns)
            writer.writeheader()
            writer.writerows(map(json.loads, lines))
        self.file = path.open("a", encoding="utf-8", newline="", buffering=1)

    def add(self, phase: str, step: int, values: Mapping[str, float]) -> None:
        row = {"phase": phase, "step": step, **values}
        if row.keys() <= set(self.columns):
            csv.DictWriter(self.file, self.columns).writerow(row)
        else:  # metrics.jsonl has this record already
            self.file.close()
            self._write()

    def close(self) -> None:
        self.file.close()


class ScalarsOf:
    """Several records as one; none of them is `off`."""

    def __init__(self, *records: Scalars) -> None:
        self.records = records

    def add(self, phase: str, step: int, values: Mapping[str, float]) -> None:
        for record in self.records:
            record.add(phase, step, values)

    def close(self) -> None:
        for record in self.records:
            record.close()


def scalars(folder: Path, settings: GlobalSection, *, done: tuple[int, int]) -> Scalars:
    """Return the record of a run in `folder`: `metrics.jsonl` (see JsonLines), and those that the config names."""
    path = folder / "metrics.jsonl"
    records: list[Scalars] = [JsonLines(path, done=done)]
    if done == (0, 0):
        forget_runs(folder)
    if settings.use_visualdl:
        records.append(VisualDL(folder))
    for name in dict.fromkeys(settings.loggers):
        records.append(Csv(path) if name == "Csv" else TRACKERS[name](folder))
    return ScalarsOf(*records)
