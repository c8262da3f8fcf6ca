"""Where a run says what it does: the console, a log file, a JSON-lines file and VisualDL."""

import json
import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Optional, Protocol, TextIO

from ppcls.files import replacing
from ppcls.text import as_utf8

logger = logging.getLogger("ppcls")

LINE = "[%(asctime)s] ppcls %(levelname)s: %(message)s"
DATE = "%Y/%m/%d %H:%M:%S"


def start_console(*, quiet: bool = False) -> logging.Logger:
    """Send the `ppcls` logger to standard output; a `quiet` rank prints errors only."""
    logger = logging.getLogger("ppcls")
    logger.propagate = False
    close_log(logger)
    _add(logging.StreamHandler(sys.stdout), logging.ERROR if quiet else logging.INFO)
    return logger


def start_file(path: Path) -> None:
    """Also append the `ppcls` logger's lines to `path`."""
    _add(logging.FileHandler(path, encoding="utf-8"), logging.INFO)


def close_log(logger: logging.Logger) -> None:
    """Close the logger's console and files."""
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()


class _Lines(logging.Formatter):
    """Lines that can be written whatever bytes the names of files have."""

    def format(self, record: logging.LogRecord) -> str:
        return as_utf8(super().format(record))


def _add(handler: logging.Handler, level: int) -> None:
    handler.setFormatter(_Lines(LINE, DATE))
    handler.setLevel(level)
    logger = logging.getLogger("ppcls")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)


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


class VisualDL:
    """Scalars for the page of `visualdl --logdir FOLDER`."""

    def __init__(self, folder: Path) -> None:
        from visualdl import LogWriter  # slow to import, and off by default

        self.writer = LogWriter(logdir=str(folder))

    def add(self, phase: str, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.writer.add_scalar(tag=f"{phase}/{name}", step=step, value=value)

    def close(self) -> None:
        self.writer.close()


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


def scalars(folder: Path, *, done: tuple[int, int], use_visualdl: bool) -> Scalars:
    """Return the record of a run in `folder`: `metrics.jsonl` (see JsonLines), and VisualDL."""
    json_lines = JsonLines(folder / "metrics.jsonl", done=done)
    return ScalarsOf(json_lines, VisualDL(folder / "vdl")) if use_visualdl else json_lines
