"""Text of files, and names that may have any bytes and must still be written everywhere."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from ppcls.errors import DataError

_SURROGATE = re.compile("[\ud800-\udfff]")
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
# Also what turns the direction of writing, or has no width at the start of a file.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff]")


def as_utf8(text: str) -> str:
    """Return text that any file, JSON or answer can hold: bytes of file names that are no UTF-8 become `\\xe9`."""
    return text if text.isascii() else _SURROGATE.sub(_escaped, text)


def printable(name: str) -> str:
    """Return a name as it is printed, on one line: as UTF-8, with control characters escaped."""
    return _CONTROL.sub(_escaped, as_utf8(name))


def _escaped(found: "re.Match[str]") -> str:
    if found[0] in _NAMED:
        return _NAMED[found[0]]
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:  # how Python holds the byte 0x80 to 0xff (PEP 383)
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


class Line(NamedTuple):
    """A line of a file: its number from 1, and its text without white space around it."""

    number: int
    text: str


def lines(path: str, argument: str) -> Iterator[Line]:
    """Yield the lines of a text file that are not blank. Raises DataError, which names `argument`, if it is none."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield Line(number, line.strip())
    except UnicodeDecodeError as error:
        raise DataError(f"{printable(path)}: is not UTF-8 text ({error}); convert it") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or error
        raise DataError(
            f"{argument}: can't be read; received '{printable(path)}' ({reason}); check the path"
        ) from error
