"""How far a long count is, and how long it will take."""

import sys
import time


class Progress:
    """Writes a line to standard error, at most once a second on a terminal and every 10 seconds elsewhere."""

    def __init__(self, total: int, what: str) -> None:
        self._total = total
        self._what = what
        self._terminal = sys.stderr.isatty()
        self._start = self._shown = time.monotonic()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        if self._terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    def update(self, done: int) -> None:
        """Say that so many are done, if it is time to."""
        now = time.monotonic()
        if now - self._shown < (1 if self._terminal else 10) or not done:
            return
        self._shown = now
        rate = done / (now - self._start)
        minutes, seconds = divmod(round((self._total - done) / rate), 60)
        text = f"{done:,} of {self._total:,} {self._what}, {rate:,.0f} a second, {minutes}:{seconds:02} left"
        print(f"\r\033[K{text}" if self._terminal else text, end="" if self._terminal else "\n", file=sys.stderr)
        sys.stderr.flush()
