"""Files that are whole or not there, and the sums that tell which."""

import contextlib
import hashlib
import io
import os
import secrets
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Union

from ppcls.errors import CheckpointError

# So that no other program's file is taken for one of ours.
TEMPORARY = ".ppcls-tmp-"
# What reading arrays by name raises where a file is no .npz, empty, cut or damaged.
UNREADABLE_NPZ = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    EOFError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)


class _Reporting(io.FileIO):
    """A file whose failing writes are told as such: other OSErrors of whoever writes are none of the disk."""

    def __init__(self, path: Path, target: Path) -> None:
        super().__init__(path, "wb")
        self.target = target

    def write(self, data: Any) -> int:
        with _reported(self.target):
            return super().write(data)


@contextmanager
def _reported(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CheckpointError(
            f"{path}: can't be written; {error.strerror}; free or choose another disk or folder"
        ) from error


@contextmanager
def replacing(path: Union[str, Path]) -> Iterator[BinaryIO]:
    """Open a temporary file that takes the name `path` once it is complete and on the disk.

    It is removed if the block raises. Its suffix is that of `path`.
    Raises: CheckpointError where the file can't be opened, written or renamed.
    """
    path = Path(path)
    temporary = path.with_name(f"{TEMPORARY}{secrets.token_hex(4)}-{path.name}")
    with _reported(path):
        raw = _Reporting(temporary, path)
    try:
        with io.BufferedWriter(raw) as file:
            yield file
            file.flush()
            with _reported(path):
                os.fsync(file.fileno())
                os.replace(temporary, path)
        sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(parent: Path) -> Iterator[Path]:
    """Make a temporary folder in another one. Raises CheckpointError where it can't be made."""
    with _reported(parent):
        folder = tempfile.TemporaryDirectory(prefix=TEMPORARY, dir=parent)
    with folder as name:
        yield Path(name)


def move(names: Iterable[str], source: Path, target: Path) -> None:
    """Let the files of a folder take the place of those in another one on the same disk, in this order.

    What `source` lacks is gone from `target` then. Raises CheckpointError.
    """
    for name in names:
        with _reported(target / name):
            if (source / name).exists():
                os.replace(source / name, target / name)
            else:
                (target / name).unlink(missing_ok=True)
    sync_folder(target)


def sync_folder(folder: Path) -> None:
    """Let renames in a folder outlive a loss of power, on file systems that can sync a folder."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove_temporaries(folder: Path) -> None:
    """Remove what `replacing` and `new_folder` left in the folder when their process was killed."""
    for path in folder.glob(f"{TEMPORARY}*"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def make_folder(folder: Path, asked_by: str) -> None:
    """Make a folder and those above it, unless it is there. Raises CheckpointError, naming the setting `asked_by`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CheckpointError(
            f"{asked_by}: can't make the folder '{folder}'; {error.strerror}; give another one"
        ) from error


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all. Raises CheckpointError."""
    with replacing(path) as file:
        file.write(text.encode())


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal text."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
