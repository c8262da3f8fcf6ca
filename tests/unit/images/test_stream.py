from pathlib import Path

import cv2
import numpy as np
import pytest

from ppcls.errors import ConfigError, DataError
from ppcls.images.stream import Pictures, find, pipeline
from ppcls.registry import Part


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "deep er").mkdir()
    for number, name in enumerate(["b.png", "deep er/c.JPG", "a.jpeg"]):
        data = cv2.imencode(Path(name).suffix, np.full((8, 9, 3), 50 * number, "uint8"))[1]
        (tmp_path / name).write_bytes(data.tobytes())
    (tmp_path / "notes.md").touch()
    return tmp_path


def test_a_folder_means_all_pictures_below_it_sorted(folder: Path) -> None:
    assert find(str(folder)) == [folder / "a.jpeg", folder / "b.png", folder / "deep er/c.JPG"]


def test_a_list_means_its_lines(folder: Path) -> None:
    (folder / "list.txt").write_text("deep er/c.JPG 7\n\nb.png\nmissing 12.png 3\n")
    assert find(str(folder / "list.txt")) == [folder / "deep er/c.JPG", folder / "b.png", folder / "missing 12.png"]


def test_several_paths_mean_all_of_theirs(folder: Path) -> None:
    assert find([str(folder / "b.png"), str(folder / "deep er")]) == [folder / "b.png", folder / "deep er/c.JPG"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nowhere", "infer_imgs: '.*nowhere' does not exist; give a picture, a folder or a .txt list"),
        ("empty", "infer_imgs: no picture .* in the folder '.*empty'"),
        ("empty.txt", "infer_imgs: the list '.*empty.txt' is empty"),
        ("binary.txt", "infer_imgs: the list '.*binary.txt' can't be read .*; give UTF-8 text"),
    ],
)
def test_what_has_no_pictures_is_refused(tmp_path: Path, path: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.txt").touch()
    (tmp_path / "binary.txt").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(DataError, match=message):
        find(str(tmp_path / path))


def test_pictures_that_cannot_be_read_are_passed_over_and_noted(folder: Path) -> None:
    (folder / "broken.png").write_bytes((folder / "b.png").read_bytes()[:40])
    todo = Pictures(
        [*find(str(folder)), folder / "gone.png"], pipeline([Part("ResizeImage", {"size": 4})]), batch_size=2
    )
    batches = list(todo.batches())
    assert [[path.name for path in paths] for paths, _ in batches] == [["a.jpeg", "b.png"], ["c.JPG"]]
    assert [images.shape for _, images in batches] == [(2, 3, 4, 4), (1, 3, 4, 4)]
    assert [message.partition(": ")[0] for message in todo.failed] == [f"{folder}/broken.png", f"{folder}/gone.png"]


def test_pictures_of_different_sizes_are_refused_in_one_line(folder: Path) -> None:
    (folder / "wide.png").write_bytes(cv2.imencode(".png", np.zeros((8, 20, 3), "uint8"))[1].tobytes())
    with pytest.raises(DataError, match="wide.png: .*received 20 x 8, but 9 x 8 for .*add Resi"):
        list(Pictures(find(str(folder)), pipeline([]), batch_size=4).batches())


def test_transforms_in_an_impossible_order_are_reported_with_their_place() -> None:
    parts = [Part("NormalizeImage", {}, "my.yaml:7: PreProcess"), Part("ResizeImage", {"size": 4})]
    with pytest.raises(ConfigError, match="^my.yaml:7: PreProcess: NormalizeImage: only ToCHWImage, .* end"):
        pipeline(parts)
