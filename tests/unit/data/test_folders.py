"""Class folders are read as classes, and whatever would give an image a wrong label is refused."""

import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from ppcls.data.sources.folders import ImageFolder
from ppcls.errors import DataError
from ppcls.images.failures import UndecodableError
from ppcls.images.pipeline import Pipeline

RNG = np.random.default_rng(0)
PIPELINE = Pipeline([])


def image(path: Path, level: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((6, 8, 3), level, np.uint8))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for place, name in enumerate(["a/one.png", "a/with space.png", "b/deep/three.png"]):
        image(tmp_path / name, place)
    return tmp_path


def test_a_folder_takes_its_labels_from_the_sorted_folder_names(root: Path) -> None:
    (root / "a/notes.txt").write_text("no image")
    image(root / ".cache/x.png", 9)
    dataset = ImageFolder(PIPELINE, 1000, image_root=str(root))
    assert dataset.labels.tolist() == [0, 0, 1]
    assert list(dataset.label_names) == ["a", "b"]
    assert dataset.where(2) == str(root / "b/deep/three.png")


def test_a_label_file_gives_the_labels_of_folders(root: Path) -> None:
    (root / "labels.txt").write_text("2 a\n0 c c\n1 b\n")
    dataset = ImageFolder(PIPELINE, 3, image_root=str(root), class_id_map_file=str(root / "labels.txt"))
    assert dataset.labels.tolist() == [2, 2, 1]
    assert list(dataset.label_names) == ["c c", "b", "a"]


def test_names_stand_at_their_labels_where_a_label_file_has_gaps_or_more_classes(root: Path) -> None:
    (root / "labels.txt").write_text("4 a\n1 b\n7 d\n")
    dataset = ImageFolder(PIPELINE, 6, image_root=str(root), class_id_map_file=str(root / "labels.txt"))
    assert dataset.labels.tolist() == [4, 4, 1]
    assert list(dataset.label_names) == ["0", "b", "2", "3", "a"]


@pytest.mark.parametrize(
    ("text", "class_num", "message"),
    [
        ("0 a\n", 2, r"labels.txt: 1 class folders have no label; received b; add a line"),
        ("0 a\none b\n", 2, r"labels.txt:2: is not 'label name'; received 'one b'"),
        ("0 a\n1 a\n", 2, r"labels.txt:2: names a class twice"),
        ("0 a\n2 b\n", 2, r"b: here is the first of 1 labels .* received 2 for class_num 2"),
    ],
)
def test_a_faulty_label_file_is_refused(root: Path, text: str, class_num: int, message: str) -> None:
    (root / "labels.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        ImageFolder(PIPELINE, class_num, image_root=str(root), class_id_map_file=str(root / "labels.txt"))


def test_faulty_folders_are_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="b: here is the first of 1 labels that are out of range"):
        ImageFolder(PIPELINE, 1, image_root=str(root))
    (root / "empty").mkdir()
    with pytest.raises(DataError, match=r"a class folder has no image; received '.*empty'"):
        ImageFolder(PIPELINE, 3, image_root=str(root))
    with pytest.raises(DataError, match="image_root: has no folders; received .*; give a folder with one folder per"):
        ImageFolder(PIPELINE, 3, image_root=str(root / "empty"))


def test_folders_that_are_no_classes_are_refused(tmp_path: Path) -> None:
    for split in ("train", "val"):
        for name in ("cat", "dog"):
            image(tmp_path / split / "pets" / name / "1.png", 9)
    message = f"its folders are splits and no classes; .* with train, val; give .*'{tmp_path}/train'"
    with pytest.raises(DataError, match=message):
        ImageFolder(PIPELINE, 2, image_root=str(tmp_path))
    message = "one class folder for class_num 2; .* 'pets' alone; the classes may be one folder deeper .cat, dog.: give"
    with pytest.raises(DataError, match=message):
        ImageFolder(PIPELINE, 2, image_root=str(tmp_path / "train"))
    shutil.rmtree(tmp_path / "train/pets/dog")
    with pytest.raises(DataError, match="with 'cat' alone; add the folders of the other classes"):
        ImageFolder(PIPELINE, 2, image_root=str(tmp_path / "train/pets"))
    assert len(ImageFolder(PIPELINE, 1, image_root=str(tmp_path / "train/pets"))) == 1


def test_classes_without_images_are_said_once(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    ImageFolder(PIPELINE, 2, image_root=str(root))
    assert not caplog.messages
    ImageFolder(PIPELINE, 9, image_root=str(root))
    (message,) = caplog.messages
    assert message.startswith(f"{root}: 2 of 9 classes have images; there are none with the labels 2, 3, 4 and 4 more")


def test_what_is_not_used_of_a_folder_is_said_once(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("a/notes.txt", "b/a.txt", "a/._one.png", "__MACOSX/a/1.png", "stray.png", "a/@eaDir/one.png/x.jpg"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    assert ImageFolder(PIPELINE, 2, image_root=str(root)).labels.tolist() == [0, 0, 1]
    assert caplog.messages == [
        f"{root}: 2 files ignored (.txt 2), 1 images outside class folders ignored (.png 1), 3 hidden or system files "
        "and folders skipped (._one.png 1, @eaDir 1, __MACOSX 1)"
    ]


def test_links_give_no_image_a_second_label(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    elsewhere = root / ".elsewhere"
    image(elsewhere / "4.png", 4)
    (root / "a/all").symlink_to("..")
    (root / "a/other").symlink_to("../b")
    (root / "b/more").symlink_to(elsewhere)
    dataset = ImageFolder(PIPELINE, 2, image_root=str(root))
    assert [dataset.where(index) for index in range(len(dataset))] == [
        f"{root}/{name}" for name in ("a/one.png", "a/with space.png", "b/deep/three.png", "b/more/4.png")
    ]
    assert "2 links skipped to folders that are searched anyway (a/all 1, a/other 1)" in caplog.text
    (root / "c").symlink_to("b")
    with pytest.raises(DataError, match="two class folders are one; received 'c' and 'b'"):
        ImageFolder(PIPELINE, 3, image_root=str(root))


def test_class_folders_of_any_bytes_have_names_that_can_be_written(root: Path) -> None:
    (root / "b").rename(os.path.join(root, "caf\udce9"))
    dataset = ImageFolder(PIPELINE, 2, image_root=str(root))
    assert list(dataset.label_names) == ["a", "caf\\xe9"] and dataset.sample(2, RNG).shape == (6, 8, 3)
    Path(dataset.where(2)).write_bytes(b"broken")
    with pytest.raises(UndecodableError, match=r"caf.xe9/deep/three.png: no image") as raised:
        dataset.sample(2, RNG)
    str(raised.value).encode()
