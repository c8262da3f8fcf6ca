"""Maps from class ids to names, and the ones that come with ppcls."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Optional

from ppcls.errors import DataError
from ppcls.text import lines

BUNDLED = Path(__file__).parent / "assets"
_ID = re.compile(r"\d{1,18}", re.ASCII)


class Row(NamedTuple):
    """A line `id name` of a map; the id is None where there is none."""

    number: int
    text: str
    id: Optional[int]
    name: str


def read_rows(path: str, delimiter: Optional[str] = None) -> Iterator[Row]:
    """Yield the lines of a map; any white space stands after the id unless there is a `delimiter`. Raises DataError."""
    for number, text in lines(path, "class_id_map_file"):
        first, *rest = text.split(delimiter, 1)
        class_id = int(first) if _ID.fullmatch(first.strip()) else None
        yield Row(number, text, class_id, rest[0].strip() if rest else "")


def find_label_map(path: str) -> Optional[Path]:
    """Return the file of a map, or where it is not there the one of its name that comes with ppcls, or None.

    So the paths of PaddleClas's YAMLs, such as `ppcls/utils/imagenet1k_label_list.txt`, work from any folder.
    """
    file = Path(path)
    return next((found for found in (file, BUNDLED / file.name) if found.is_file()), None)


def read_label_map(path: str, delimiter: Optional[str] = None) -> list[str]:
    """Read `id<space>name` lines of a file that `find_label_map` finds into a list of names by id. Raises DataError."""
    file = find_label_map(path) or Path(path)
    names: dict[int, str] = {}
    for number, text, class_id, name in read_rows(str(file), delimiter):
        if class_id is None or class_id in names:
            problem = "no class id" if class_id is None else "a class id that was given before"
            raise DataError(f"{path}:{number}: {problem}; received '{text}'; write `id name`, each id once")
        names[class_id] = name
    if sorted(names) != list(range(len(names))):
        raise DataError(f"label map '{path}': ids must be 0 to {len(names) - 1} without a gap")
    return [names[index] for index in range(len(names))]
