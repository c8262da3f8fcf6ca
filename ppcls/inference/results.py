"""The file of a large prediction, one row per image, in order; a later call completes what an interrupted one left."""

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

from ppcls.errors import ConfigError
from ppcls.files import make_folder, write_text
from ppcls.inference.postprocess import Prediction
from ppcls.text import as_utf8, printable

COLUMNS = ("name", "class_ids", "scores", "label_names", "error")

# Between the classes of an image, in a cell of a CSV file.
SEPARATOR = "|"


class Results:
    """Rows appended to a `.csv` or `.jsonl` file, in UTF-8; each reaches the disk's cache at once.

    `made_by` says what made the rows, in plain mappings; it is kept beside the file, in `{path}.made_by.json`.
    `num_done`, `num_failed`: rows that are there, and those of them with an error; `last_name`: of the last one.
    Raises ConfigError for another suffix, a file that is no such table, or one that was `made_by` something else.
    """

    def __init__(self, path: Path, made_by: Mapping[str, Any]) -> None:
        self.as_csv = path.suffix.lower() == ".csv"
        if not self.as_csv and path.suffix.lower() != ".jsonl":
            raise ConfigError(f"--out: must end in .csv or .jsonl; received '{path}'")
        make_folder(path.parent, "--out")
        self.num_done, self.num_failed, self.last_name = 0, 0, ""
        try:
            self._file = path.open("a+b")
        except OSError as error:
            raise ConfigError(f"--out: can't write '{path}'; {error.strerror}; give another file") from error
        try:
            self._open(path, made_by)
        except ConfigError:
            self._file.close()
            raise
        if self.as_csv and self._file.seek(0, os.SEEK_END) == 0:
            self._write_csv(COLUMNS)

    def _open(self, path: Path, made_by: Mapping[str, Any]) -> None:
        """Find the end of what is there, after it was found to be rows of the same."""
        try:
            good = self._read()
        except (ValueError, KeyError, TypeError, csv.Error, RecursionError) as error:
            raise ConfigError(f"--out: '{path}' already exists and holds something else; give another file") from error
        if self._file.seek(0, os.SEEK_END):
            _require_made_by(path, made_by)
        else:
            write_text(_beside(path), json.dumps(made_by, indent=1))
        self._file.truncate(good)

    def __enter__(self) -> "Results":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _read(self) -> int:
        """Count the rows that are there; return the bytes up to the end of the last complete one."""
        self._file.seek(0)
        good = 0
        for line in self._file:
            # A name with a line break makes a row of several lines.
            while self.as_csv and line.count(b'"') % 2 and (more := self._file.readline()):
                line += more
            if line.endswith(b"\n") and not (self.as_csv and line.count(b'"') % 2):
                self._count(line.decode())
                good += len(line)
        return good

    def _count(self, line: str) -> None:
        if self.as_csv:
            (cells,) = csv.reader(io.StringIO(line, newline=""))
            if tuple(cells) == COLUMNS:
                return
            row = dict(zip(COLUMNS, cells))
        else:
            row = json.loads(line)
        self.last_name = row["name"]
        self.num_done += 1
        self.num_failed += bool(row["error"])

    def add(self, name: str, prediction: Optional[Prediction], problem: str) -> None:
        """Append the row of an image; without a prediction it has the problem."""
        answer = prediction or Prediction([], [], [])
        name, problem, label_names = as_utf8(name), as_utf8(problem), [as_utf8(one) for one in answer.label_names]
        self.num_failed += prediction is None
        if self.as_csv:
            lists = (answer.class_ids, [f"{score:.6g}" for score in answer.scores], label_names)
            self._write_csv((name, *(SEPARATOR.join(map(str, cells)) for cells in lists), problem))
        else:
            row = {"name": name, **answer.to_dict(), "label_names": label_names, "error": problem}
            self._write(json.dumps(row, ensure_ascii=False) + "\n")

    def _write_csv(self, cells: Sequence[str]) -> None:
        row = io.StringIO()
        csv.writer(row, lineterminator="\n").writerow(cells)
        self._write(row.getvalue())

    def _write(self, row: str) -> None:
        self._file.write(row.encode())
        self._file.flush()


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.made_by.json")


def _require_made_by(path: Path, made_by: Mapping[str, Any]) -> None:
    """Raise ConfigError unless the rows that are there were made by the same, as far as is known."""
    try:
        before = json.loads(_beside(path).read_text(encoding="utf-8"))
        unlike = [key for key in made_by if before.get(key) != json.loads(json.dumps(made_by[key]))]
    except (OSError, ValueError, AttributeError) as error:
        raise ConfigError(
            f"--out: '{printable(str(path))}' already exists, and {_beside(path).name}, which says what made it, can't "
            "be read; give another file"
        ) from error
    if unlike:
        raise ConfigError(
            f"--out: '{printable(str(path))}' already exists and was made by another {', '.join(unlike)}; give another "
            "file, or remove it"
        )
