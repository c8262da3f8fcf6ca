"""Files that are whole or not there, and the sums that tell which."""

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Union

from ppcls.errors import CheckpointError


@contextmanager
def replacing(path: Union[str, Path]) -> Iterator[BinaryIO]:
    """Open a temporary file that takes the name `path` once it is complete and on the disk.

    It is removed if the block raises. Its suffix is that of `path`.
    Raises: CheckpointError for an OSError in opening, writing or renaming.
    """
    path = Path(path)
    temporary = path.with_name(f".{secrets.token_hex(4)}-{path.name}")
    try:
        with open(temporary, "wb") as file:
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
                os.replace(temporary, path)
            finally:
                temporary.unlink(missing_ok=True)
    except OSError as error:
        raise CheckpointError(
            f"{path}: can't be written; {error.strerror}; free or choose another disk or folder"
        ) from error


def remove_temporaries(folder: Path) -> None:
    """Remove what `replacing` left in the folder when its process was killed."""
    for file in folder.glob(".????????-*"):
        file.unlink(missing_ok=True)


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
