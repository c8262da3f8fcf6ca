"""Where a run says what it does: the console and a log file."""

import logging
import sys
from pathlib import Path

from ppcls.text import as_utf8

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
