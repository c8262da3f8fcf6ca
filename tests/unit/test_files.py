import hashlib
from pathlib import Path

import pytest

from ppcls.errors import CheckpointError
from ppcls.files import replacing, sha256_of, write_text


def test_a_file_changes_only_when_all_of_it_is_there(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    write_text(file, "old")
    with pytest.raises(RuntimeError), replacing(file) as new:
        new.write(b"half of the")
        new.flush()
        assert file.read_text() == "old"
        raise RuntimeError
    assert [found.name for found in tmp_path.iterdir()] == ["a.txt"]
    assert file.read_text() == "old"
    write_text(file, "new")
    assert file.read_text() == "new"
    assert sha256_of(file) == hashlib.sha256(b"new").hexdigest()


def test_an_error_of_whoever_writes_is_not_taken_for_one_of_the_disk(tmp_path: Path) -> None:
    with pytest.raises(ConnectionResetError), replacing(tmp_path / "a.txt") as new:
        new.write(b"half of the")
        raise ConnectionResetError("by the other side")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("place", ["file/a.txt", "missing/a.txt"])
def test_a_place_that_cannot_be_written_is_one_clear_error(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match=f"{place}: can't be written; .*; free or choose another disk or folder"):
        write_text(tmp_path / place, "new")
