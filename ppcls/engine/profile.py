"""A look at where the time of a training step goes."""

import contextlib
import io
import logging
from pathlib import Path
from typing import Any

from paddle import profiler

from ppcls.errors import ConfigError, DeviceError
from ppcls.files import make_folder

logger = logging.getLogger("ppcls")


class Profile:
    """Records batches `first` to `last` of a run: a trace for chrome://tracing in `folder`, a table of operators."""

    def __init__(self, folder: str, first: int, last: int) -> None:
        if last < first:
            raise ConfigError(f"Global.profiler_batches: must be in order; received {[first, last]}")
        self.folder = Path(folder)
        self.first, self.last = first, last
        self.batch = 0
        try:
            self.profiler: Any = profiler.Profiler(scheduler=(first, last + 1), on_trace_ready=self._write)
        except NotImplementedError as error:
            raise DeviceError("Global.profiler: the plug-in of this device has no profiler; leave it off") from error

    def start(self) -> None:
        """Begin to count."""
        make_folder(self.folder, "Global.profiler_path")
        self.profiler.start()

    def step(self) -> None:
        """Count a batch; after the last one that is recorded, write and stop."""
        self.batch += 1
        if self.batch <= self.last + 1:
            self.profiler.step()
        if self.batch == self.last + 1:
            self._stop()

    def close(self) -> None:
        """End a record that is not full, as the run is over."""
        if self.batch <= self.last:
            self._stop()
            logger.warning(f"Global.profiler: records batches {self.first} to {self.last}; the run had {self.batch}")

    def _stop(self) -> None:
        with contextlib.redirect_stdout(io.StringIO()):  # the speed, which the log tells
            self.profiler.stop()

    def _write(self, recorded: Any) -> None:
        recorded.export(path=str(self.folder / "trace.json"), format="json")
        with (self.folder / "operators.txt").open("w") as file, contextlib.redirect_stdout(file):
            recorded.summary(time_unit="ms")
        logger.info(f"profile of batches {self.first} to {self.last}: {self.folder}/trace.json, operators.txt")


class NoProfile:
    """Stands for a Profile where none is wanted."""

    def start(self) -> None:
        """Do nothing."""

    def step(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""
