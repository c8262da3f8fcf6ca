"""Images in a .zip, unpacked once."""

import contextlib
import os
import shutil
import stat
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

from ppcls import download
from ppcls.errors import DataError
from ppcls.files import sha256_of
from ppcls.images.walk import folders_in
from ppcls.text import printable


def unpacked(path: str) -> str:
    """Return the folder below `$PPCLS_HOME/data` with what is in a .zip: the one in there, if it has just that one.

    Raises: DataError for a damaged file, for names that lead elsewhere, and where there is no room.
    """
    archive = Path(path)
    target = download.folder("data", DataError) / f"{sha256_of(archive)[:12]}-{archive.stem}"
    if not target.is_dir():
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            _extract(archive, Path(folder) / "all")
            with contextlib.suppress(FileExistsError):  # another process was faster
                os.rename(Path(folder) / "all", target)
    folders = folders_in(str(target))
    return str(target / folders[0]) if len(folders) == 1 else str(target)


def _extract(archive: Path, folder: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [member for member in opened.infolist() if not _is_hidden(member.filename)]
            _require_safe(archive, members)
            _require_room(archive, sum(member.file_size for member in members), folder.parent)
            folder.mkdir()
            opened.extractall(folder, members)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise DataError(f"{printable(str(archive))}: can't be unpacked; {error}; unpack it by hand") from error


def _is_hidden(name: str) -> bool:
    """Return whether it is what macOS adds to archives."""
    return "__MACOSX" in PurePosixPath(name).parts


def _require_safe(archive: Path, members: list[zipfile.ZipInfo]) -> None:
    for member in members:
        place = PurePosixPath(member.filename)
        if place.is_absolute() or ".." in place.parts or stat.S_ISLNK(member.external_attr >> 16):
            raise DataError(
                f"{printable(str(archive))}: has a file that leads out of its folder; received "
                f"'{printable(member.filename)}'; unpack it by hand"
            )


def _require_room(archive: Path, num_bytes: int, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if num_bytes > 0.9 * free:
        raise DataError(
            f"{printable(str(archive))}: unpacked it takes {num_bytes >> 20} MiB; '{folder.parent}' has {free >> 20} "
            "MiB left; free some space, or set PPCLS_HOME to a folder on another disk"
        )
