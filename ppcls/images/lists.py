"""Lists of images, read in one way by all that take one: a path on each line, and a label after it or none."""

import os
import re
from collections.abc import Iterator
from typing import Optional

from ppcls.errors import DataError
from ppcls.text import lines, printable

# A class id, or several flags 0 and 1.
_LABEL = re.compile(r"[-+]?\d+(,\d+)*", re.ASCII)


def split(text: str, delimiter: Optional[str] = None) -> tuple[str, str]:
    """Return the path and the label of a line: what is before and after the last `delimiter`, or any white space.

    Without one, the label is empty.
    """
    path, *label = text.rsplit(delimiter, 1)
    return path, label[0] if label else ""


def paths_in(path: str, argument: str) -> Iterator[str]:
    """Yield the path of each line as the list has it, whether a label follows or not. Raises DataError."""
    return (listed for listed, _ in entries_in(path, argument))


def entries_in(
    path: str, argument: str, *, root: Optional[str] = None, delimiter: Optional[str] = None
) -> Iterator[tuple[str, str]]:
    """Yield the path and the label of each line, "" where it has none. Raises DataError.

    A label is what follows the `delimiter`; None: what follows a tab, or is a class id or flags. What looks like a
    label belongs to the path where a file of the whole line is there, below `root` or the list's own folder.
    """
    folder, found = os.path.dirname(path) if root is None else root, False
    for _, text in lines(path, argument):
        between = "\t" if delimiter is None and "\t" in text else delimiter
        listed, label = split(text, between)
        found = True
        is_label = bool(label) and (between is not None or _LABEL.fullmatch(label))
        if is_label and not os.path.lexists(os.path.join(folder, text)):
            yield listed.rstrip(), label.strip()
        else:
            yield text, ""
    if not found:
        raise DataError(f"{argument}: the list '{printable(path)}' is empty; write a path on each line")
