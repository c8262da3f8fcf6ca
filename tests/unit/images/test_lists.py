"""A list that trains predicts, and the other way round where it has labels."""

from pathlib import Path

import pytest

from ppcls.data.sources.listing import class_id, flags, read_list
from ppcls.errors import DataError
from ppcls.images.lists import paths_in

FORMS = {
    "one space": "cat/a.jpg 0\ndog/b.jpg 1\n",
    "a tab": "cat/a.jpg\t0\ndog/b.jpg\t1\n",
    "two spaces": "cat/a.jpg  0\ndog/b.jpg  1\n",
    "byte order mark and CRLF": "\ufeffcat/a.jpg 0\r\n\r\ndog/b.jpg 1",
    "signs": "cat/a.jpg +0\ndog/b.jpg -1\n",
}


@pytest.mark.parametrize("form", FORMS)
def test_all_forms_name_the_same_images(tmp_path: Path, form: str) -> None:
    (tmp_path / "list.txt").write_bytes(FORMS[form].encode())
    listing = read_list(str(tmp_path / "list.txt"), None, class_id)
    assert listing.paths == list(paths_in(str(tmp_path / "list.txt"), "infer_imgs")) == ["cat/a.jpg", "dog/b.jpg"]
    assert [abs(label) for label in listing.labels] == [0, 1] and not listing.faulty


def test_labels_of_several_classes_are_no_part_of_the_path(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("cat/a b.jpg\t0,1\ndog/b.jpg\t1,0\n")
    listing = read_list(str(tmp_path / "list.txt"), "\t", flags)
    assert listing.paths == list(paths_in(str(tmp_path / "list.txt"), "infer_imgs")) == ["cat/a b.jpg", "dog/b.jpg"]


def test_a_number_at_the_end_of_a_name_is_no_label_where_that_file_is_there(tmp_path: Path) -> None:
    (tmp_path / "IMG 0012").touch()
    (tmp_path / "list.txt").write_text("IMG 0012\nIMG 0013\nno label.jpg\n99999999999999999999 99999999999999999999\n")
    assert list(paths_in(str(tmp_path / "list.txt"), "infer_imgs")) == [
        "IMG 0012",
        "IMG",
        "no label.jpg",
        "99999999999999999999",
    ]


@pytest.mark.parametrize(
    "line",
    ["a.jpg", "a.jpg 1.0", "a.jpg 0_1", "a.jpg 99999999999999999999", "a.jpg \u0663", "a.jpg 1e3", "a\0.jpg 1", "7"],
)
def test_a_line_without_a_label_that_can_be_is_one_faulty_line(tmp_path: Path, line: str) -> None:
    (tmp_path / "list.txt").write_text(f"b.jpg 0\n{line}\n", encoding="utf-8")
    listing = read_list(str(tmp_path / "list.txt"), None, class_id)
    assert listing.paths == ["b.jpg"] and [line.number for line in listing.faulty] == [2]


def test_a_list_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("a.jpg 0\n", encoding="utf-16")
    with pytest.raises(DataError, match="list.txt: is not UTF-8 text"):
        list(paths_in(str(tmp_path / "list.txt"), "infer_imgs"))
    for path in ("gone.txt", "a\0b.txt", "."):
        with pytest.raises(DataError, match="infer_imgs: can't be read; received '.*' .*; check the path"):
            list(paths_in(path, "infer_imgs"))
