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
    """Yield the path of each line as the list has it, whether a label follows or not. Raises DataError.

    What looks like a label belongs to the path where a file of the whole line is there.
    """
    folder, found = os.path.dirname(path), False
    for _, text in lines(path, argument):
        listed, label = split(text)
        found = True
        yield listed if _LABEL.fullmatch(label) and not os.path.lexists(os.path.join(folder, text)) else text
    if not found:
        raise DataError(f"{argument}: the list '{printable(path)}' is empty; write a path on each line")
