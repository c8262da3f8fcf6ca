"""What is below a folder is found once, in order, and what is not used is counted."""

import inspect
import os
import sys
from pathlib import Path

import pytest

from ppcls.errors import DataError
from ppcls.images.walk import images_below, walk


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_every_suffix_that_is_decoded_is_found_in_the_order_of_whole_paths(tmp_path: Path) -> None:
    names = ["a/1.JPG", "a/2.jfif", "a-b/3.jpe", "a.gif", "b.avif", "a/c/4.jp2", "z.webp", "ä.png", "a/c-d.tif"]
    touch(tmp_path, *names)
    assert list(images_below(str(tmp_path))) == sorted(names)


def test_names_of_systems_are_skipped_at_every_depth_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    touch(
        tmp_path,
        "cat/1.jpg", "cat/._1.jpg", "cat/.DS_Store", "cat/.ipynb_checkpoints/1-checkpoint.jpg", "cat/Thumbs.db",
        "cat/@eaDir/1.jpg/SYNOPHOTO_THUMB_M.jpg", "__MACOSX/cat/1.jpg", "cat/notes.txt", "README", "cat/1.jpg.part",
        "cat/2.txt",
    )  # fmt: skip
    assert list(images_below(str(tmp_path))) == ["cat/1.jpg"]
    (message,) = caplog.messages
    assert message.startswith(f"{tmp_path}: 4 files ignored (.txt 2, no suffix 1, .part 1), 6 hidden or system files")
    assert "__MACOSX 1" in message


def test_a_folder_named_by_itself_is_searched_whatever_its_name(tmp_path: Path) -> None:
    touch(tmp_path, ".cache/1.jpg")
    assert list(images_below(str(tmp_path / ".cache"))) == ["1.jpg"]


def test_links_are_followed_once_and_loops_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    touch(tmp_path, "root/cat/1.jpg", "elsewhere/2.jpg", "above.jpg")
    for link, target in {"cat/up": "..", "cat/self": ".", "more": "../elsewhere", "twice": "../elsewhere"}.items():
        os.symlink(target, tmp_path / "root" / link)
    os.symlink("..", tmp_path / "elsewhere/out")  # to a folder above the one that is searched
    os.symlink("gone", tmp_path / "root/lost.jpg")
    os.symlink("round.jpg", tmp_path / "root/round.jpg")
    assert list(images_below(str(tmp_path / "root"))) == ["cat/1.jpg", "lost.jpg", "more/2.jpg", "round.jpg"]
    assert "4 links skipped to folders that are searched anyway (cat/self 1, cat/up 1, more/out 1, twice 1)" in (
        caplog.text
    )


def test_pipes_are_not_waited_for(tmp_path: Path) -> None:
    touch(tmp_path, "1.jpg")
    os.mkfifo(tmp_path / "2.jpg")
    assert list(images_below(str(tmp_path))) == ["1.jpg"]


def test_any_depth_is_searched(tmp_path: Path) -> None:
    touch(tmp_path, "d/" * 300 + "1.jpg")
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 100)
    try:
        assert list(images_below(str(tmp_path))) == ["d/" * 300 + "1.jpg"]
    finally:
        sys.setrecursionlimit(limit)


def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.jpg")
    folder = os.open(tmp_path, os.O_RDONLY)
    for _ in range(18):  # longer than any path may be
        os.mkdir("d" * 250, dir_fd=folder)
        inner = os.open("d" * 250, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(folder)
    with pytest.raises(DataError, match="/d+: can't be listed; check its permissions"):
        list(images_below(str(tmp_path)))
    assert [found.kind for found in walk(str(tmp_path))] == ["image", "unreadable"]
