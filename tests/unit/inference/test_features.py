"""Features of images in a file, and the search in it."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppcls.cli import main
from ppcls.errors import CheckpointError, ConfigError
from ppcls.inference import features
from ppcls.inference.features import Features
from ppcls.inference.predictor import Predictor
from ppcls.inference.search import Search


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
    features.write(Features(["a"], [""], np.ones((1, 16), "float32"), "another"), file, "--index")
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


@pytest.mark.parametrize("engine", ["numpy", "faiss"])
def test_the_search_is_that_of_sorting_all_products(engine: Any) -> None:
    if engine == "faiss":
        pytest.importorskip("faiss", reason="the extra `index` is not installed")
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(500, 4)).astype("float32")
    names = [str(number) for number in range(500)]
    stored, queries = Features(names, names, rows, ""), rng.normal(size=(300, 4)).astype("float32")
    for found, query in zip(Search(stored, engine).nearest(queries, 7), queries):
        expected = np.argsort(-(rows @ query), kind="stable")[:7]
        assert [one.name for one in found] == [one.label for one in found] == [str(place) for place in expected]
        np.testing.assert_allclose([one.score for one in found], (rows @ query)[expected], rtol=1e-5)
    assert list(Search(stored.without(set(names)), engine).nearest(queries[:1], 7)) == [[]]


def test_of_images_that_are_equally_alike_the_first_come_first() -> None:
    rng = np.random.default_rng(0)
    rows, queries = (rng.integers(-2, 3, (number, 4)).astype("float32") for number in (500, 300))
    names = [str(number) for number in range(500)]
    for found, query in zip(Search(Features(names, names, rows, "")).nearest(queries, 7), queries):
        assert [one.name for one in found] == [str(place) for place in np.argsort(-(rows @ query), kind="stable")[:7]]


def test_what_an_extra_is_needed_for_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("faiss", "pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, module, None)
    stored = Features(["a"], [""], np.ones((1, 4), "float32"), "")
    with pytest.raises(ConfigError, match=r"faiss is not installed; it is an extra; pip install 'ppcls\[index\]'"):
        Search(stored, "faiss")
    with pytest.raises(ConfigError, match=r"needs pyarrow, which is an extra; pip install 'ppcls\[parquet\]'"):
        features.require_writable(tmp_path / "features.parquet")
    with pytest.raises(ConfigError, match="must end in .npz or .parquet; received"):
        features.require_writable(tmp_path / "features.csv")


def test_a_parquet_has_a_row_for_each_image(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra `parquet` is not installed")
    rows = np.arange(6, dtype="float32").reshape(2, 3)
    features.write(Features(["a.jpg", "\u732b.jpg"], ["cat", ""], rows, "sum"), tmp_path / "f.parquet", "--out")
    table = parquet.read_table(tmp_path / "f.parquet")
    assert table.to_pylist() == [
        {"name": "a.jpg", "label": "cat", "features": [0.0, 1.0, 2.0]},
        {"name": "\u732b.jpg", "label": "", "features": [3.0, 4.0, 5.0]},
    ]
    assert table.schema.metadata[b"model"] == b"sum"


def test_the_yaml_of_pp_shitu_builds_an_index_with_the_labels_of_its_gallery(
    model: Path, gallery: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (gallery / "list.txt").write_text("0.jpg\tred wine\n1.jpg\tcola\n")
    (tmp_path / "shitu.yaml").write_text(
        f"""
Global: {{det_inference_model_dir: ./models/det, rec_inference_model_dir: {model}, rec_nms_thresold: 0.05,
  image_shape: [3, 640, 640], threshold: 0.2, max_det_results: 5, label_list: [foreground],
  infer_imgs: {gallery}/0.jpg}}
DetPreProcess: {{transform_ops: [DetResize: {{interp: 2}}]}}
DetPostProcess: {{}}
RecPreProcess: {{transform_ops: [ResizeImage: {{size: [32, 32]}}, NormalizeImage: {{order: hwc}}, ToCHWImage: ]}}
RecPostProcess: null
IndexProcess: {{index_method: HNSW32, image_root: {gallery}, index_dir: {tmp_path}/index, index_operation: new,
  data_file: {gallery}/list.txt, delimiter: "\\t", dist_type: IP, embedding_size: 512, batch_size: 32, return_k: 5,
  score_thres: 0.99999}}
"""
    )
    index("build", "-c", tmp_path / "shitu.yaml")
    told = capsys.readouterr().err
    assert "each image is taken for one object" in told and "as PaddleClas ignores" not in told
    assert "the search is exact" in told and "index_method, embedding_size, batch_size, index_operation" in told
    index("search", "-c", tmp_path / "shitu.yaml")
    assert capsys.readouterr().out == f"{gallery}/0.jpg:\t{gallery}/0.jpg red wine 1.0000\n"
    index("add", gallery / "list.txt", "--model", model, "--index", tmp_path / "index/index.npz")
    assert [*features.read(tmp_path / "index/index.npz").labels] == ["red wine", "cola"]
    (tmp_path / "det.yaml").write_text("Global: {infer_imgs: a.jpg, det_inference_model_dir: x}\nDetPreProcess: {}\n")
    assert main(["embed", "-c", str(tmp_path / "det.yaml")]) == 2
    assert "unknown key 'DetPreProcess'" in capsys.readouterr().err


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


@pytest.mark.parametrize("rows", [np.full((1, 4), np.nan, "float32"), np.array([["a"]]), np.ones((1, 4), "complex64")])
def test_an_index_of_what_no_model_gives_is_refused(tmp_path: Path, rows: np.ndarray) -> None:
    np.savez(tmp_path / "cars.npz", names=["a"], labels=[""], features=rows, model="one")
    with pytest.raises(CheckpointError, match="not finite float32"):
        features.read(tmp_path / "cars.npz")


def test_a_file_that_holds_one_array_is_no_index(tmp_path: Path) -> None:
    np.save(tmp_path / "cars.npy", np.ones(3))
    with pytest.raises(CheckpointError, match="no file of features"):
        features.read(tmp_path / "cars.npy")
