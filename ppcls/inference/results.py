"""The file of a large prediction, a row a picture in their order; what an interrupted run left is completed."""

import csv
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from ppcls.errors import ConfigError
from ppcls.files import make_folder
from ppcls.inference.postprocess import Prediction

COLUMNS = ("name", "class_ids", "scores", "label_names", "error")

# Between the classes of a picture, in a cell of a CSV file.
SEPARATOR = "|"


class Results:
    """Rows appended to a `.csv` or `.jsonl` file; each reaches the disk's cache at once.

    `num_done`, `num_failed`: rows that are there, and those of them with an error; `last_name`: of the last one.
    Raises ConfigError for another suffix, or a file that is no such table.
    """

    def __init__(self, path: Path) -> None:
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
            self._file.truncate(self._read())
        except (ValueError, KeyError) as error:
            self._file.close()
            raise ConfigError(f"--out: '{path}' is there and holds other things; give another file") from error
        if self.as_csv and self._file.seek(0, os.SEEK_END) == 0:
            self._write_csv(COLUMNS)

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
                self._count(line.decode("utf-8", "surrogateescape"))
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
        """Append the row of a picture; without a prediction it has the problem."""
        answer = prediction or Prediction([], [], [])
        self.num_failed += prediction is None
        if self.as_csv:
            lists = (answer.class_ids, [f"{score:.6g}" for score in answer.scores], answer.label_names)
            self._write_csv((name, *(SEPARATOR.join(map(str, cells)) for cells in lists), problem))
        else:
            self._write(json.dumps({"name": name, **answer.to_dict(), "error": problem}, ensure_ascii=False) + "\n")

    def _write_csv(self, cells: Sequence[str]) -> None:
        row = io.StringIO()
        csv.writer(row, lineterminator="\n").writerow(cells)
        self._write(row.getvalue())

    def _write(self, row: str) -> None:
        # A file name need not be UTF-8.
        self._file.write(row.encode("utf-8", "surrogateescape"))
        self._file.flush()
