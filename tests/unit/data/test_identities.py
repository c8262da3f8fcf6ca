"""Lists and folders of individuals."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ppcls.batch import LabelKind
from ppcls.data import DATASETS
from ppcls.errors import DataError
from ppcls.images import stream
from ppcls.registry import Facts, Part


def write(root: Path, *names: str) -> None:
    root.mkdir(parents=True, exist_ok=True)
    for name in names:
        cv2.imwrite(str(root / name), np.zeros((4, 4, 3), "uint8"))


def built(name: str, class_num: Any, **arguments: Any) -> Any:
    return DATASETS.build(Part(name, arguments), Facts(pipeline=stream.pipeline([]), class_num=class_num))


def of_list(folder: Path, text: str, class_num: Any = None) -> Any:
    write(folder, "a.png", "b.png")
    (folder / "list.txt").write_text(text)
    return built("VeriWild", class_num, image_root=str(folder), cls_label_path=str(folder / "list.txt"))


def test_queries_have_any_identities_and_perhaps_cameras(tmp_path: Path) -> None:
    data = of_list(tmp_path, "a.png 900 3\nb.png 7 5\n")
    assert data.label_kind is LabelKind.IDENTITIES
    assert data.labels.tolist() == [900, 7] and data.cameras.tolist() == [3, 5]
    assert of_list(tmp_path, "a.png 900\nb.png 7\n").cameras is None


def test_a_training_numbers_identities_from_0(tmp_path: Path) -> None:
    assert of_list(tmp_path, "a.png 0\nb.png 1\n", 2).label_kind is LabelKind.CLASS_IDS
    with pytest.raises(DataError, match="list.txt:2: here is the first of 1 labels that are out of range; received 7"):
        of_list(tmp_path, "a.png 0\nb.png 7\n", 2)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a.png\n", "list.txt:1: no `path identity` or `path identity camera`; received 'a.png'"),
        ("a.png 1 x\n", "list.txt:1: no `path identity`"),
        ("a.png 1 2\nb.png 1\n", "1 of 2 lines have a camera; give all of them one, or none"),
    ],
)
def test_lines_that_do_not_say_it_are_refused(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(DataError, match=fault):
        of_list(tmp_path, text)


def test_market_1501_says_identity_and_camera_in_its_names(tmp_path: Path) -> None:
    root = tmp_path / "market1501/Market-1501-v15.09.15"
    write(root / "query", "0002_c1s1_000451_03.png", "-1_c2s1_0_00.png", "1501_c6s4_000001_01.png")
    write(root / "bounding_box_train", "0002_c1s1_000451_03.png", "0007_c3s1_000001_01.png")
    query = built("Market1501", None, image_root=str(tmp_path), cls_label_path="query")
    assert query.labels.tolist() == [2, 1501] and query.cameras.tolist() == [1, 6]
    train = built("Market1501", 2, image_root=str(tmp_path), cls_label_path="bounding_box_train")
    assert train.labels.tolist() == [0, 1] and train.label_kind is LabelKind.CLASS_IDS
    with pytest.raises(DataError, match="2 identities for class_num 3"):
        built("Market1501", 3, image_root=str(tmp_path), cls_label_path="bounding_box_train")
    with pytest.raises(DataError, match="no folder '.*MSMT17_V1/query'"):
        built("MSMT17", None, image_root=str(tmp_path), cls_label_path="query")
