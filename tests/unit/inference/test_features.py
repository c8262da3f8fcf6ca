"""Features of images in a file, and the search in it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppcls.cli import main
from ppcls.errors import CheckpointError
from ppcls.inference import features
from ppcls.inference.features import Features
from ppcls.inference.predictor import Predictor


@pytest.fixture
def model(exported_features: Path) -> Path:
    return exported_features


@pytest.fixture
def gallery(tmp_path: Path, photos: list[bytes]) -> Path:
    folder = tmp_path / "gallery"
    folder.mkdir()
    for number, photo in enumerate(photos[:6]):
        (folder / f"{number}.jpg").write_bytes(photo)
    return folder


def index(action: str, *words: Any, status: int = 0) -> None:
    assert main(["index", action, *map(str, words)]) == status


def test_embed_writes_the_features_that_the_predictor_gives(
    model: Path, gallery: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (gallery / "9.jpg").write_bytes(b"no image")
    out = tmp_path / "features.npz"
    assert main(["embed", str(gallery), "--model", str(model), "--out", str(out)]) == 1
    assert "9.jpg: " in capsys.readouterr().err
    with np.load(out) as content:
        assert content["names"].tolist() == [f"{gallery}/{number}.jpg" for number in range(6)]
        for one, row in zip(Predictor(model).embed(str(gallery)), content["features"]):
            np.testing.assert_allclose(row, one.features, atol=1e-5)


def test_an_image_finds_itself_first_and_after_its_removal_is_gone(
    model: Path, gallery: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, query = tmp_path / "cars.npz", gallery / "3.jpg"
    index("build", gallery / "0.jpg", "--model", model, "--index", file)
    index("add", gallery, "--model", model, "--index", file)
    assert sorted(features.read(file).names) == [f"{gallery}/{number}.jpg" for number in range(6)]
    capsys.readouterr()
    index("search", query, "--model", model, "--index", file, "--topk", 2)
    assert capsys.readouterr().out.startswith(f"{query}:\t{query} 1.0000, {gallery}/")
    index("remove", query, "--index", file)
    assert str(query) not in features.read(file).names


def test_mistakes_change_nothing(
    model: Path, exported: Path, gallery: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "cars.npz"
    features.write(Features(["a"], np.ones((1, 16), "float32"), "another"), file, "--index")
    before = file.read_bytes()
    for action in ("add", "search"):
        index(action, gallery, "--model", model, "--index", file, status=2)
        assert "was made by another model" in capsys.readouterr().err
    index("build", gallery, "--model", model, "--index", file, status=2)
    index("remove", "a", "b", "--index", file, status=2)
    assert "'b' is not in" in capsys.readouterr().err
    assert main(["embed", str(gallery), "--model", str(exported), "--out", str(file)]) == 2
    assert "gives scores of classes, not features" in capsys.readouterr().err
    assert file.read_bytes() == before
    file.write_bytes(before[:100])
    with pytest.raises(CheckpointError, match="no file of features"):
        features.read(file)


def test_the_search_is_that_of_sorting_all_products() -> None:
    rng = np.random.default_rng(0)
    rows = rng.integers(-2, 3, (500, 4)).astype("float32")  # with many that are equally alike
    stored = Features([str(number) for number in range(500)], rows, "")
    queries = rng.integers(-2, 3, (300, 4)).astype("float32")
    for found, query in zip(stored.nearest(queries, 7), queries):
        expected = np.argsort(-(rows @ query), kind="stable")[:7]
        assert [name for name, _ in found] == [str(place) for place in expected]
    assert list(stored.without(set(stored.names)).nearest(queries[:1], 7)) == [[]]


def test_predict_rec_reads_the_yaml_of_paddleclas(
    model: Path, gallery: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = f"{{rec_inference_model_dir: {model}, infer_imgs: {gallery}/1.jpg, use_fp16: False}}"
    operators = "[ResizeImage: {size: [32, 32]}, NormalizeImage: {scale: 0.00392157, order: hwc}, ToCHWImage: ]"
    (tmp_path / "rec.yaml").write_text(
        f"Global: {settings}\nRecPreProcess: {{transform_ops: {operators}}}\nRecPostProcess: null\n"
    )
    assert main(["-c", str(tmp_path / "rec.yaml")], command="embed") == 0
    name, row = capsys.readouterr().out.strip().split(":\t")
    (expected,) = Predictor(model).embed([str(gallery / "1.jpg")])
    assert name == f"{gallery}/1.jpg"
    np.testing.assert_allclose(json.loads(row), expected.features, atol=1e-3)
