"""How far an epoch is, on a terminal; elsewhere the lines of the log say it."""

import datetime
import sys
import time
from typing import Optional, TextIO

from ppcls.engine import ranks

EVERY_SECONDS = 0.2
CELLS = 20
CLEAR = "\r\033[K"


class Bar:
    """One line on standard error that is written over and over; none unless that is a terminal, and on other ranks."""

    def __init__(self, title: str, total: int, stream: Optional[TextIO] = None) -> None:
        self.title, self.total = title, total
        self.stream = stream or sys.stderr
        self.is_on = self.stream.isatty() and ranks.rank() == 0
        self.shown = 0.0
        self.note = ""  # loss and metrics, as they were last read from the device

    def update(self, done: int, ips: float, seconds_left: float) -> None:
        """Show that so many batches are done, if it is time to."""
        now = time.monotonic()
        if not self.is_on or now < self.shown + EVERY_SECONDS:
            return
        self.shown = now
        filled = CELLS * done // max(self.total, 1)
        left = datetime.timedelta(seconds=round(seconds_left))
        cells, note = "#" * filled + "." * (CELLS - filled), f", {self.note}" if self.note else ""
        self._write(f"{CLEAR}{self.title} [{cells}] {done}/{self.total}, {ips:.1f} images/s, {left} left{note}")

    def clear(self) -> None:
        """Make room for a line of the log."""
        if self.is_on:
            self._write(CLEAR)

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()
