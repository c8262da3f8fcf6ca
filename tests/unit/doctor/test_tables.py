"""Lists of several classes an image from the tables of COCO, NUS-WIDE and CSV files."""

import json
from pathlib import Path
from typing import Any

import pytest

from ppcls.cli import main
from ppcls.data.sources.multi_label import MultiLabelDataset
from ppcls.images.pipeline import Pipeline
from ppcls.recipes import data

COCO: dict[str, Any] = {
    "images": [{"id": 7, "file_name": "a.jpg"}, {"id": 3, "file_name": "b.jpg"}, {"id": 9, "file_name": "c.jpg"}],
    "annotations": [
        {"image_id": 7, "category_id": 44},
        {"image_id": 7, "category_id": 1, "iscrowd": 1},
        {"image_id": 9, "category_id": 44},
        {"image_id": 9, "category_id": 44},
    ],
    "categories": [{"id": 44, "name": "wine glass"}, {"id": 1, "name": "person"}, {"id": 2, "name": "bicycle"}],
}


@pytest.fixture
def root(tmp_path: Path, photos: list[bytes]) -> Path:
    """Return a folder with the images of all three, and COCO's tables of two splits."""
    (tmp_path / "pictures").mkdir()
    for number, name in enumerate("abcdef"):
        (tmp_path / f"pictures/{name}.jpg").write_bytes(photos[number])
    of_val = [{"id": one["id"], "file_name": name} for one, name in zip(COCO["images"], ("d.jpg", "e.jpg", "f.jpg"))]
    (tmp_path / "instances_train2017.json").write_text(json.dumps(COCO))
    (tmp_path / "instances_val2017.json").write_text(json.dumps({**COCO, "images": of_val}))
    return tmp_path


def convert(*words: object, status: int = 0) -> None:
    assert main(["data", "list", *map(str, words)]) == status


def read(file: Path, class_num: int) -> tuple[list[str], list[list[float]], list[str]]:
    found = MultiLabelDataset(Pipeline([]), class_num, image_root=str(file.parent), cls_label_path=str(file))
    return [Path(found.where(n)).name for n in range(len(found))], found.labels.tolist(), [*found.label_names]


def test_cocos_categories_become_labels_in_the_order_of_their_numbers(root: Path) -> None:
    for split in ("train", "val"):
        convert(root / f"instances_{split}2017.json", "--images", root / "pictures", "--out", root)
    expected = [[1, 0, 1], [0, 0, 0], [0, 0, 1]], ["person", "bicycle", "wine glass"]
    assert read(root / "train_list.txt", 3) == (["a.jpg", "b.jpg", "c.jpg"], *expected)
    assert read(root / "val_list.txt", 3) == (["d.jpg", "e.jpg", "f.jpg"], *expected)
    found = data.find(str(root), "multi", 0)
    assert found.several and found.num_train == 3 and found.lines["val"][0] == ("pictures/d.jpg", "1,0,1")


def test_nus_wides_columns_become_labels(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "TrainImagelist.txt").write_text("pictures\\a.jpg\r\npictures\\c.jpg\r\n")
    labels = root / "TrainTestLabels"
    labels.mkdir()
    for name, column in (("sky_Train", "0\n1\n"), ("bear_Train", "1 \n1\n"), ("bear_Test", "0\n")):
        (labels / f"Labels_{name}.txt").write_text(column)
    convert(root / "TrainImagelist.txt", "--labels", labels)
    assert read(root / "train_list.txt", 2) == (["a.jpg", "c.jpg"], [[1, 0], [1, 1]], ["bear", "sky"])
    (labels / "Labels_sky_Train.txt").write_text("0\n")
    convert(root / "TrainImagelist.txt", "--labels", labels, "--out", root / "new", status=2)
    assert "must have 0 or 1 for each of 2 images; received 1 lines" in capsys.readouterr().err


def test_a_csv_becomes_the_list_that_training_on_it_reads(root: Path) -> None:
    (root / "labels.csv").write_text("image,bear,sky\na.jpg,0,1\nb.jpg,1,1\n")
    convert(root / "labels.csv", "--images", root / "pictures", "--out", root)
    assert read(root / "all_list.txt", 2) == (["a.jpg", "b.jpg"], [[0, 1], [1, 1]], ["bear", "sky"])
    (root / "one.csv").write_text("a.jpg,sky\nb.jpg,bear\n")
    convert(root / "one.csv", "--images", root / "pictures", "--out", root / "one")
    assert (root / "one/all_list.txt").read_text() == "../pictures/a.jpg 1\n../pictures/b.jpg 0\n"


def test_what_is_no_such_table_is_refused(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "other.json").write_text('{"images": []}')
    (root / "names.txt").write_text("a.jpg\n")
    for words, problem in (
        ([root / "other.json"], "other.json: can't be read as COCO's instances; KeyError('categories')"),
        ([root / "names.txt"], "must be a .csv, COCO's instances .json, or NUS-WIDE's list"),
        ([root / "names.txt", "--labels", root], "has no Labels_NAME.txt"),
        ([root / "instances_val2017.json"], "instances_val2017.json:1: d.jpg: here is the first of 3 "),
        ([root, "--images", root], "are of a file"),
    ):
        convert(*words, "--out", root / "out", status=2)
        assert problem in capsys.readouterr().err
    assert not list((root / "out").glob("*"))
