import os
from pathlib import Path
from typing import Any, Callable

import numpy as np
import paddle
import pytest
from paddle import nn
from runs import MakeEngine

from ppcls.config import load_config
from ppcls.engine.engine import Engine
from ppcls.errors import CheckpointError, ConfigError, DataError
from ppcls.export.export import export
from ppcls.export.graph import Scores, static
from ppcls.export.verify import Comparison
from ppcls.inference import artifact
from ppcls.inference.predictor import Predictor

SMALL = """
Global: {{device: cpu, image_shape: [3, 32, 32], save_inference_dir: {folder}/exported, output_dir: {folder}/output}}
Arch: {{name: RegNetX_200MF, class_num: 2}}
Infer:
  transforms:
    - DecodeImage:
    - ResizeImage: {{size: 32}}
    - NormalizeImage: {{mean: [0.4, 0.5, 0.6], std: [0.2, 0.3, 0.4]}}
    - ToCHWImage:
"""

Export = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Export:
    """Return what exports the small model, with overrides of its config and arguments of `export`."""

    def call(*overrides: str, **arguments: Any) -> Path:
        (tmp_path / "small.yaml").write_text(SMALL.format(folder=tmp_path))
        return export(Engine(load_config(str(tmp_path / "small.yaml"), overrides)), **arguments)

    return call


@pytest.fixture
def images(tmp_path: Path, photos: list[bytes]) -> str:
    (tmp_path / "images").mkdir()
    for number, photo in enumerate(photos):
        (tmp_path / f"images/{number:02}.jpg").write_bytes(photo)
    return str(tmp_path / "images")


def test_a_model_that_normalizes_by_itself_takes_bytes_and_gives_the_same_scores(write: Export, images: str) -> None:
    expected = Predictor(write()).predict(images)
    folder = write("Global.export_with_preprocess=True", verify=images)
    predictor = Predictor(folder)
    assert artifact.read(folder).input_type == "uint8"
    assert predictor.finish(np.zeros((1, 32, 32, 3), "uint8")).dtype == np.uint8
    for one, other in zip(predictor.predict(images), expected):
        assert one.class_ids == other.class_ids
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-5)


def test_what_paddle_prints_is_not_among_results(write: Export, images: str, capfd: pytest.CaptureFixture[str]) -> None:
    exported = write("Arch.name=PVT_V2_B0")  # whose end is a mean
    capfd.readouterr()
    Predictor(exported, engine="paddle").predict(images)
    assert capfd.readouterr().out == ""


def test_what_the_graph_cannot_normalize_is_refused(write: Export) -> None:
    transforms = "Infer.transforms=[ResizeImage: {size: 32}, NormalizeImage: {output_fp16: True}]"
    with pytest.raises(ConfigError, match="Global.export_with_preprocess: needs a NormalizeImage .* float16"):
        write("Global.export_with_preprocess=True", transforms)


def test_verifying_on_no_image_is_an_error(write: Export, tmp_path: Path) -> None:
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged/a.jpg").write_bytes(b"not an image")
    with pytest.raises(DataError, match="--verify: no image of '.*damaged' can be read, so nothing was compared; give"):
        write(verify=str(tmp_path / "damaged"))
    assert not (tmp_path / "exported").exists()


def test_verifying_says_how_near_the_scores_are(write: Export, images: str, caplog: pytest.LogCaptureFixture) -> None:
    (Path(images) / "broken.jpg").write_bytes(b"no image")
    write(verify=images)
    assert "the same top 5 for 20 of 20 images, scores differ by at most" in caplog.text
    assert "broken.jpg: no image: 8 bytes" in caplog.text


def test_an_image_named_twice_is_verified_twice(write: Export, images: str, caplog: pytest.LogCaptureFixture) -> None:
    name = min(os.listdir(images))
    (Path(images) / "list.txt").write_text(f"{name}\t0\n{name}\t0\n{name}\t0\n")
    write(verify=f"{images}/list.txt")
    assert "the same top 5 for 3 of 3 images" in caplog.text


def test_one_score_that_is_no_number_is_not_forgotten(write: Export) -> None:
    exported = Predictor(write())
    images = np.zeros((2, 32, 32, 3), np.uint8)
    comparison = Comparison(exported)
    right = exported.scores(exported.finish(images))
    comparison.add(["a", "b"], images, right * np.array([[1], [np.nan]]))
    comparison.add(["c", "d"], images, right)
    assert comparison.worst == "b"
    with pytest.raises(CheckpointError, match="other scores than the trained one .by nan for b"):
        comparison.require_equal()


def test_large_scores_are_equal_up_to_rounding(write: Export) -> None:
    bright = "Infer.transforms=[ResizeImage: {size: 32}, NormalizeImage: {std: [1.e-8, 1.e-8, 1.e-8]}]"
    predictor = Predictor(write("Arch.infer_add_softmax=False", bright))
    images = np.full((1, 32, 32, 3), 255, np.uint8)
    scores = predictor.scores(predictor.finish(images))
    assert np.abs(scores).max() > 1e5
    comparison = Comparison(predictor)
    comparison.add(["a"], images, 2 * scores)
    with pytest.raises(CheckpointError, match="other scores than the trained one .by 0.5 for a"):
        comparison.require_equal()


def test_transforms_without_a_size_take_images_of_the_models(write: Export) -> None:
    assert Predictor(write("Infer.transforms=[NormalizeImage: ]")).input_shape == (3, 32, 32)


def test_a_model_that_differs_is_not_written(
    write: Export, images: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("ppcls.export.verify.TOLERANCE", -1.0)
    with pytest.raises(CheckpointError, match="gives other scores than the trained one .*; nothing was written"):
        write(verify=images)
    assert not (tmp_path / "exported").exists()
    assert not list(tmp_path.glob(".exported*"))


@pytest.mark.parametrize(
    ("part", "activation"),
    [
        ("{name: ThreshOutput, threshold: 0.4, label_0: cat, label_1: dog}", "softmax"),
        ("{name: MultiLabelThreshOutput, threshold: 0.3, class_id_map_file: LABELS}", "sigmoid"),
    ],
)
def test_the_post_process_travels_with_the_model(
    write: Export, images: str, tmp_path: Path, part: str, activation: str
) -> None:
    (tmp_path / "labels.txt").write_text("0 cat\n1 dog\n")
    part = part.replace("LABELS", str(tmp_path / "labels.txt"))
    folder = write(f"Infer.PostProcess={part}")
    (tmp_path / "labels.txt").unlink()
    predictor = Predictor(folder)
    image = predictor.pipeline.sample((Path(images) / "00.jpg").read_bytes(), np.random.default_rng(0))
    scores = predictor.scores(predictor.finish(image[None]))[0]
    assert (abs(scores.sum() - 1) < 1e-5) == (activation == "softmax")
    prediction = predictor.predict(images)[0]
    if activation == "softmax":
        assert prediction.label_names == [("cat", "dog")[int(scores[1] >= 0.4)]]
    else:
        assert prediction.label_names == [name for name, score in zip(("cat", "dog"), scores) if score >= 0.3]
    assert len(predictor.predict(images, topk=2)[0].class_ids) == 2


def test_logits_are_exported_where_the_config_wants_no_softmax(write: Export, images: str) -> None:
    scores, logits = (Predictor(write(f"Arch.infer_add_softmax={wanted}")) for wanted in (True, False))
    image = scores.pipeline.sample((Path(images) / "00.jpg").read_bytes(), np.random.default_rng(0))
    expected = np.exp(logits.scores(logits.finish(image[None])))
    np.testing.assert_allclose(scores.scores(scores.finish(image[None])), expected / expected.sum(), rtol=1e-5)


def test_the_results_of_the_last_evaluation_travel_with_the_model(make: MakeEngine, tmp_path: Path) -> None:
    engine = make("Tiny", "run", "Global.epochs=1")
    engine.train()
    weights = f"Global.pretrained_model={engine.folder}/best_model"
    measured = artifact.read(export(make("Tiny", "run", weights))).measured
    assert {"loss", "top1"} <= set(measured) and 0 <= measured["top1"] <= 1


class Conditional(nn.Layer):
    """A layer that computes by what is in its images, and by how many they are."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(12, 2)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = x.reshape([x.shape[0], -1])
        if x.mean() > 0:
            x = x * 2
        return self.linear(x)


@pytest.mark.parametrize("level", [-1.0, 1.0])
def test_the_conditions_of_a_users_layers_are_exported(tmp_path: Path, level: float) -> None:
    graph = Scores(Conditional(), "none")
    paddle.jit.save(static(graph, (3, 2, 2)), str(tmp_path / "inference"))
    images = paddle.full([4, 3, 2, 2], level)
    exported = paddle.jit.load(str(tmp_path / "inference"))
    np.testing.assert_allclose(exported(images).numpy(), graph(images).numpy(), rtol=1e-6)
