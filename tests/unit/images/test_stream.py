from pathlib import Path

import cv2
import numpy as np
import pytest

from ppcls.errors import ConfigError, DataError
from ppcls.images.sources import told_apart
from ppcls.images.stream import batches, find, pipeline
from ppcls.registry import Part


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "deep er").mkdir()
    for number, name in enumerate(["b.png", "deep er/c.JPG", "a.jpeg"]):
        data = cv2.imencode(Path(name).suffix, np.full((8, 9, 3), 50 * number, "uint8"))[1]
        (tmp_path / name).write_bytes(data.tobytes())
    (tmp_path / "notes.md").touch()
    return tmp_path


def found(*paths: Path) -> list[Path]:
    return [Path(path) for path in find([str(path) for path in paths])]


def test_a_folder_means_all_images_below_it_sorted(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert found(folder) == [folder / "a.jpeg", folder / "b.png", folder / "deep er/c.JPG"]
    assert caplog.messages == [f"{folder}: 1 files ignored (.md 1)"]


def test_a_list_means_its_lines(folder: Path) -> None:
    (folder / "list.txt").write_text("deep er/c.JPG 7\n\nb.png\nmissing 12.png 3\n")
    assert found(folder / "list.txt") == [folder / "deep er/c.JPG", folder / "b.png", folder / "missing 12.png"]


def test_several_paths_mean_all_of_theirs(folder: Path) -> None:
    assert found(folder / "b.png", folder / "deep er") == [folder / "b.png", folder / "deep er/c.JPG"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nowhere", "infer_imgs: '.*nowhere' does not exist; give an image, a folder or a .txt list"),
        ("empty", "empty: no image in this folder; give one"),
        ("heic", "heic: no image in this folder .2 files ignored .\\.heic 1, \\.txt 1.*; give one"),
        ("empty.txt", "infer_imgs: the list '.*empty.txt' is empty"),
        ("binary.txt", "binary.txt: is not UTF-8 text .*; convert it"),
    ],
)
def test_what_has_no_images_is_refused(tmp_path: Path, path: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "heic").mkdir()
    for name in ("a.HEIC", "b.txt", ".c.jpg"):
        (tmp_path / "heic" / name).touch()
    (tmp_path / "empty.txt").touch()
    (tmp_path / "binary.txt").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(DataError, match=message):
        found(tmp_path / path)


def test_images_that_cannot_be_read_keep_their_places(folder: Path) -> None:
    (folder / "broken.png").write_bytes((folder / "b.png").read_bytes()[:40])
    paths = [*found(folder), folder / "gone.png", folder / "a.jpeg"]
    made = list(batches(paths, pipeline([Part("ResizeImage", {"size": 4})]), 2))
    assert [len(batch) for batch in made] == [2, 2, 2]
    one_by_one = [one for batch in made for one in batch]
    assert [one.source for one in one_by_one] == paths
    assert [one.problem.partition(";")[0] for one in one_by_one] == [
        "", "", "damaged: a PNG of 9 x 8 that can't be decoded or is cut", "", "can't be read", "",
    ]  # fmt: skip
    assert all((one.image is None) == bool(one.problem) for one in one_by_one)
    np.testing.assert_array_equal(one_by_one[0].image, one_by_one[-1].image)


def test_an_image_of_another_size_is_a_problem_of_its_own(folder: Path) -> None:
    (folder / "wide.png").write_bytes(cv2.imencode(".png", np.zeros((8, 20, 3), "uint8"))[1].tobytes())
    for shape in ((3, 8, 9), None):
        ((*others, wide),) = batches(find(str(folder)), pipeline([]), 4, input_shape=shape)
        assert not any(one.problem for one in others)
        assert wide.problem.startswith("comes to 20 x 8, where 9 x 8 is needed; add ResizeImage or CropImage")


def test_names_have_as_many_folders_as_tell_them_apart() -> None:
    paths = ["r/cat/1.jpg", "r/dog/1.jpg", "r/dog/2.jpg", "a/x/3.jpg", "b/x/3.jpg", "3.jpg", "r/dog/2.jpg"]
    assert told_apart(paths) == {
        "r/cat/1.jpg": "cat/1.jpg",
        "r/dog/1.jpg": "dog/1.jpg",
        "r/dog/2.jpg": "2.jpg",
        "a/x/3.jpg": "a/x/3.jpg",
        "b/x/3.jpg": "b/x/3.jpg",
        "3.jpg": "3.jpg",
    }


def test_transforms_in_an_impossible_order_are_reported_with_their_place() -> None:
    parts = [Part("NormalizeImage", {}, "my.yaml:7: PreProcess"), Part("ResizeImage", {"size": 4})]
    with pytest.raises(ConfigError, match="^my.yaml:7: PreProcess: NormalizeImage: only ToCHWImage, .* end"):
        pipeline(parts)
