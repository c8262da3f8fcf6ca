"""Maps from class ids to names, and the ones that come with ppcls."""

from pathlib import Path
from typing import Optional

from ppcls.errors import DataError

BUNDLED = Path(__file__).parent / "assets"


def find_label_map(path: str) -> Optional[Path]:
    """Return the file of a map, or where it is not there the one of its name that comes with ppcls, or None.

    So the paths of PaddleClas's YAMLs, such as `ppcls/utils/imagenet1k_label_list.txt`, work from any folder.
    """
    file = Path(path)
    return next((found for found in (file, BUNDLED / file.name) if found.is_file()), None)


def read_label_map(path: str, delimiter: Optional[str] = None) -> list[str]:
    """Read `id<space>name` lines of a file that `find_label_map` finds into a list of names by id. Raises DataError."""
    try:
        lines = (find_label_map(path) or Path(path)).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"label map '{path}': can't be read ({error}); give a text file of `id name` lines") from error
    names: dict[int, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        key, _, name = line.strip().partition(delimiter or " ")
        if not key.isdecimal() or int(key) in names:
            problem = "a class id that was given before" if key.isdecimal() else "no class id"
            raise DataError(f"{path}:{number}: {problem}; received '{line}'; write `id name`, each id once")
        names[int(key)] = name.strip()
    if sorted(names) != list(range(len(names))):
        raise DataError(f"label map '{path}': ids must be 0 to {len(names) - 1} without a gap")
    return [names[index] for index in range(len(names))]
