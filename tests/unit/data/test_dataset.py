"""Lists and folders are read, and whatever is wrong with them is said at once."""

import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ppcls.batch import LabelKind
from ppcls.data import DATASETS
from ppcls.data.loader.loader import Loader
from ppcls.data.samplers.base import Batching, BatchSampler
from ppcls.data.sources.folders import ImageFolder
from ppcls.data.sources.lists import ImageNetDataset, relabelled
from ppcls.data.sources.multi_label import MultiLabelDataset
from ppcls.errors import DataError
from ppcls.images.failures import UndecodableError
from ppcls.images.pipeline import Pipeline
from ppcls.images.transforms.geometry import CropImage
from ppcls.registry import Facts, Part

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


def from_list(root: Path, text: str, class_num: int = 10, **arguments: Any) -> ImageNetDataset:
    (root / "list.txt").write_bytes(text.encode())
    return ImageNetDataset(
        PIPELINE, class_num, (), image_root=str(root), cls_label_path=str(root / "list.txt"), **arguments
    )


def test_a_list_may_have_spaces_blank_lines_a_byte_order_mark_and_crlf(root: Path) -> None:
    dataset = from_list(root, "\ufeffa/one.png 3\r\n\r\na/with space.png\t4\r\nb/deep/three.png 0")
    assert dataset.labels.tolist() == [3, 4, 0] and dataset.labels.dtype == np.int64
    assert dataset.label_names == ()
    for index, label in enumerate([3, 4, 0]):
        image = dataset.sample(index, RNG)
        assert (dataset.labels[index], image.shape, image.dtype) == (label, (6, 8, 3), np.uint8)
        assert image[0, 0, 0] == index


def test_delimiter_and_relabel(root: Path) -> None:
    dataset = from_list(root, "a/with space.png,70\na/one.png,-3\na/one.png,70", 2, delimiter=",", relabel=True)
    assert dataset.labels.tolist() == [1, 0, 1]
    assert dataset.where(0) == str(root / "a/with space.png")


def test_relabel_numbers_all_splits_alike(root: Path) -> None:
    (root / "train.txt").write_text("a/one.png 70\na/one.png -3\na/one.png 8\n")
    (root / "val.txt").write_text("a/one.png 70\na/one.png 8\n")
    lists = [str(root / "train.txt"), str(root / "val.txt")]
    given = {"image_root": str(root), "relabel": True}
    parts = [Part("ImageNetDataset", {**given, "cls_label_path": path}) for path in lists]
    assert relabelled(parts) == lists
    facts = Facts(pipeline=PIPELINE, class_num=3, relabel_lists=lists)
    train, val = (DATASETS.build(part, facts) for part in parts)
    assert train.labels.tolist() == [2, 0, 1] and val.labels.tolist() == [2, 1]
    more = DATASETS.build(parts[1], Facts(pipeline=PIPELINE, class_num=5, relabel_lists=lists))
    assert more.labels.tolist() == [2, 1]  # classes without images, as PaddleClas has them
    with pytest.raises(DataError, match="relabel: there are 2 labels for class_num 3, .*; give DataLoader.Train and"):
        DATASETS.build(parts[1], Facts(pipeline=PIPELINE, class_num=3, relabel_lists=lists[1:]))


def test_names_beside_a_list_name_its_classes(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    text, two = "a/one.png 1\na/with space.png 0\n", "a/one.png 0\na/one.png 2"
    names, given = root / "labels.txt", str(root / "map.txt")
    names.write_text("0 a cat\n1 dog\n")
    assert list(from_list(root, text, 2).label_names) == ["a cat", "dog"]
    assert list(from_list(root, two, 2, relabel=True).label_names) == ["a cat", "dog"]
    Path(given).write_text("0 x\n1 y\n2 z\n")
    assert list(from_list(root, text, 3, class_id_map_file=given).label_names) == ["x", "y", "z"]
    assert list(from_list(root, two, 2, relabel=True, class_id_map_file=given).label_names) == ["x", "z"]
    assert "names for" not in caplog.text
    assert from_list(root, "a/one.png 0", 1).label_names == ()
    assert "list.txt: 2 names for class_num 1 are ignored; correct" in caplog.text
    names.write_text("cat\ndog\n")
    assert from_list(root, text, 2).label_names == ()
    assert "labels.txt:1: no class id; received 'cat'" in caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"list.txt: the list is empty"),
        ("a/one.png 1\n# a comment\n", r"list.txt:2: no integer label at the end; received '# a comment'"),
        (
            "a/one.png",
            r"list.txt:1: no integer label at the end; received 'a/one.png'; write a path and a label",
        ),
        ("a/one.png 99999999999999999999", r"list.txt:1: no integer label at the end; received '.* 9{20}'"),
        ("a/one.png 0_1", r"list.txt:1: no integer label at the end; received 'a/one.png 0_1'"),
        ("a/\0.png 1", r"list.txt:1: no path that can be; received 'a/.x00.png 1'"),
        ("x\n" * 5, r"(?s)list.txt:1: .*list.txt:3: no integer .* and 2 more; write"),
        (
            "a/one.png 1\n\na/one.png 10\na/one.png -1",
            r"list.txt:3: .*first of 2 labels .* received 10 for class_num 10",
        ),
        (
            "a/one.png 1\na/gone.png 1\nc/gone.png 1",
            r"list.txt:2: 2 of 3 images are missing; received 'a/gone.png', 'c/gone.png', image_root",
        ),
    ],
)
def test_a_faulty_list_is_refused_with_its_line(root: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        from_list(root, text)


def multi_label(root: Path, text: str, class_num: int = 3, **arguments: Any) -> MultiLabelDataset:
    (root / "list.txt").write_text(text)
    return MultiLabelDataset(
        PIPELINE, class_num, image_root=str(root), cls_label_path=str(root / "list.txt"), **arguments
    )


@pytest.mark.parametrize("num_workers", [0, 2])
def test_images_of_several_classes_come_with_a_vector_of_labels(root: Path, num_workers: int) -> None:
    dataset = multi_label(root, "a/one.png\t0,1,1\na/with space.png\t0,0,0\nb/deep/three.png\t1,0,0\n")
    loader = Loader(
        dataset,
        BatchSampler(dataset.labels, 0, 0, 1, False, Batching(batch_size=2, shuffle=True)),
        [],
        0,
        num_workers=num_workers,
    )
    batches = list(loader.epoch(0))
    loader.close()
    assert [batch.labels.shape for batch in batches] == [(2, 3), (1, 3)]
    levels = np.concatenate([batch.images[:, 0, 0, 0] for batch in batches]).astype(int)
    labels = np.concatenate([batch.labels for batch in batches])
    assert labels.dtype == np.float32
    assert {level: row for level, row in zip(levels.tolist(), labels.tolist())} == {
        0: [0, 1, 1],
        1: [0, 0, 0],
        2: [1, 0, 0],
    }


def test_ratios_beside_labels_are_the_shares_of_the_lists_images(root: Path) -> None:
    text = "a/one.png\t0,1,1\na/with space.png\t0,0,0\nb/deep/three.png\t1,0,0\nb/deep/three.png\t0,0,1\n"
    plain, dataset = multi_label(root, text), multi_label(root, text, label_ratio=True)
    assert (plain.label_kind, dataset.label_kind) == (LabelKind.MULTI_HOT, LabelKind.MULTI_HOT_WITH_RATIOS)
    assert dataset.labels.dtype == np.float32 and dataset.labels.shape == (4, 2, 3)
    np.testing.assert_array_equal(dataset.labels[:, 0], plain.labels)
    np.testing.assert_array_equal(dataset.labels[:, 1], [[0.25, 0.25, 0.5]] * 4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a/one.png\t0,1,1\na/one.png 0,1,1", "list.txt:2: no labels such as 0,1,0 at the end; received 'a/one.png 0"),
        ("a/one.png\t0,1,2", "list.txt:1: no labels such as 0,1,0 at the end; received 'a/one.png.t0,1,2'"),
        ("a/one.png\t0,1,1\n\na/one.png\t0,1", "list.txt:3: .* first of 1 lines .* received 2 for class_num 3; give"),
        ("a/one.png\t0,1,1\na/gone.png\t0,1,1", "list.txt:2: 1 of 2 images are missing; received 'a/gone.png'"),
    ],
)
def test_a_faulty_list_of_several_labels_is_refused_with_its_line(root: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        multi_label(root, text)


def test_paths_that_lead_nowhere_are_refused(root: Path) -> None:
    with pytest.raises(DataError, match="cls_label_path: can't be read; received '.*no.txt' .No such file"):
        ImageNetDataset(PIPELINE, 9, (), image_root=str(root), cls_label_path=str(root / "no.txt"))
    (root / "list.txt").write_bytes(b"a/one.png 1")
    with pytest.raises(DataError, match="image_root: is not a folder; received '/nowhere'"):
        ImageNetDataset(PIPELINE, 9, (), image_root="/nowhere", cls_label_path=str(root / "list.txt"))
    with pytest.raises(DataError, match="image_root: is not a folder; received '/nowhere'"):
        ImageFolder(PIPELINE, 9, image_root="/nowhere")
    (root / "list.txt").write_bytes(b"\xff\xfe 1")
    with pytest.raises(DataError, match=r"list.txt: is not UTF-8 text"):
        ImageNetDataset(PIPELINE, 9, (), image_root=str(root), cls_label_path=str(root / "list.txt"))


def test_an_image_that_can_not_be_used_is_named(root: Path) -> None:
    dataset = from_list(root, "a/one.png 1\nb/deep/three.png 1\na/with space.png 1")
    (root / "a/one.png").write_bytes(b"broken")
    (root / "b/deep/three.png").unlink()
    with pytest.raises(UndecodableError, match=r"a/one.png: no image: 6 bytes starting with b'broken'"):
        dataset.sample(0, RNG)
    with pytest.raises(DataError, match=r"three.png: can't be read; No such file or directory"):
        dataset.sample(1, RNG)
    dataset.pipeline = Pipeline([CropImage(7)])
    with pytest.raises(DataError, match=r"with space.png: CropImage: the crop of 7 x 7 is larger .* 8 x 6"):
        dataset.sample(2, RNG)


def test_a_long_list_is_read_and_checked_fast(root: Path) -> None:
    start = time.process_time()
    dataset = from_list(root, "a/one.png 3\n" * 100_000)
    assert len(dataset) == 100_000
    assert time.process_time() - start < 2  # 0.2 s on a quiet core


def test_classes_without_images_are_said(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    from_list(root, "a/one.png 0\na/one.png 2", 3)
    assert "list.txt: 2 of 3 classes have images; there are none with the labels 1;" in caplog.text
