"""An export to ONNX: what is in the file, and that every way to run it gives the same answers."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ppcls.cli import main
from ppcls.config import load_config
from ppcls.engine.engine import Engine
from ppcls.errors import CheckpointError, ConfigError, DeviceError
from ppcls.export import onnx as onnx_export
from ppcls.export.export import export as export_engine
from ppcls.inference import artifact
from ppcls.inference.predictor import Predictor

pytest.importorskip("paddle2onnx", reason="the extra `onnx` is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")

REPO = Path(__file__).resolve().parents[2]

SMALL = """
Global: {{device: cpu, image_shape: [3, 32, 32], save_inference_dir: {folder}/exported, output_dir: {folder}/output,
  pretrained_model: {folder}/weights.pdparams}}
Arch: {{name: RegNetX_200MF, class_num: 10}}
Infer:
  transforms:
    - DecodeImage:
    - ResizeImage: {{resize_short: 36}}
    - CropImage: {{size: 32}}
    - NormalizeImage:
    - ToCHWImage:
  PostProcess: {{name: Topk, topk: 4, class_id_map_file: {folder}/labels.txt}}
"""


def export(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(REPO / "tools/export_model.py"), "-c", str(folder / "small.yaml"), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory, photos: list[bytes]) -> Path:
    """A folder with a config, weights and images."""
    import paddle

    import ppcls

    folder = tmp_path_factory.mktemp("onnx")
    (folder / "small.yaml").write_text(SMALL.format(folder=folder))
    (folder / "labels.txt").write_text("".join(f"{index} digit {index}\n" for index in range(10)))
    paddle.seed(0)
    paddle.save(ppcls.create_model("RegNetX_200MF", class_num=10).state_dict(), str(folder / "weights.pdparams"))
    (folder / "images").mkdir()
    for number, photo in enumerate(photos):
        (folder / f"images/{number:02}.jpg").write_bytes(photo)
    return folder


@pytest.fixture(scope="module")
def exported(user: Path) -> Path:
    done = export(user, "--format", "onnx", "--opset", "17", "--verify", str(user / "images"))
    assert done.returncode == 0, done.stderr
    for engine in ("Paddle Inference", "ONNX Runtime"):
        assert any(engine in line and "the same top 5 for 20 of 20 images" in line for line in done.stdout.splitlines())
    assert "Export succeeded!" in done.stdout
    return user / "exported"


def test_the_file_takes_any_batch_and_carries_its_description(exported: Path) -> None:
    session = onnxruntime.InferenceSession(str(exported / "inference.onnx"))
    (given,), (answer,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.shape) == ("x", ["N", 3, 32, 32])
    assert (answer.name, answer.shape) == ("scores", ["N", 10])
    about = artifact.parse_text(session.get_modelmeta().custom_metadata_map["ppcls"], "metadata")
    assert about.PostProcess.Topk.label_list[3] == "digit 3"
    assert [part.name for part in about.transforms][:2] == ["ResizeImage", "CropImage"]
    for size in (1, 5):
        assert session.run(None, {"x": np.zeros((size, 3, 32, 32), "float32")})[0].shape == (size, 10)


@pytest.mark.parametrize("engine", ["paddle", "onnxruntime", "openvino"])
def test_each_engine_gives_the_same_scores(exported: Path, photos: list[bytes], engine: str) -> None:
    pytest.importorskip(engine, reason=f"{engine} is not installed")
    expected = Predictor(exported, engine="paddle", onednn=False)
    images = expected.finish(np.stack([expected.pipeline.sample(it, np.random.default_rng(0)) for it in photos]))
    predictor = Predictor(exported, engine=engine)
    assert predictor.about.lower().replace(" ", "").startswith(engine)
    for twin in (predictor, predictor.clone()):
        np.testing.assert_allclose(twin.scores(images), expected.scores(images), atol=1e-4)
        np.testing.assert_allclose(twin.scores(images[:3]), expected.scores(images[:3]), atol=1e-4)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_the_file_alone_is_enough(exported: Path, user: Path, tmp_path: Path, engine: str) -> None:
    pytest.importorskip(engine, reason=f"{engine} is not installed")
    shutil.copy(exported / "inference.onnx", tmp_path / "digits.onnx")
    expected = Predictor(exported, engine="paddle").predict(str(user / "images"))
    for one, other in zip(Predictor(tmp_path / "digits.onnx", engine=engine).predict(str(user / "images")), expected):
        assert (one.class_ids, one.label_names) == (other.class_ids, other.label_names)
        assert len(one.class_ids) == 4
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-4)


def test_a_folder_with_an_onnx_file_is_run_by_the_faster_engine_unless_another_is_asked_for(exported: Path) -> None:
    assert "Paddle" not in Predictor(exported).about
    assert "Paddle" in Predictor(exported, engine="paddle").about
    # What only Paddle does.
    assert "Paddle" in Predictor(exported, onednn=False).about


def test_the_command_predicts_the_same_with_the_file(
    exported: Path, user: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["predict", str(user / "images"), "--model"]
    assert main([*words, str(exported), "-o", "Global.engine=paddle"]) == 0
    expected = capsys.readouterr().out
    assert expected.count("class id(s): [") == 20
    assert main([*words, str(exported / "inference.onnx")]) == 0
    assert capsys.readouterr().out == expected


def test_a_model_that_normalizes_by_itself_is_converted_too(user: Path, exported: Path, tmp_path: Path) -> None:
    target = tmp_path / "uint8"
    options = ["-o", "Global.export_with_preprocess=True", "-o", f"Global.save_inference_dir={target}"]
    done = export(user, "--format", "onnx", *options)
    assert done.returncode == 0, done.stderr
    session = onnxruntime.InferenceSession(str(target / "inference.onnx"))
    assert (session.get_inputs()[0].type, session.get_inputs()[0].shape) == ("tensor(uint8)", ["N", 32, 32, 3])
    expected = Predictor(exported).predict(str(user / "images"))
    for one, other in zip(Predictor(target / "inference.onnx").predict(str(user / "images")), expected):
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-4)


def test_an_export_without_onnx_leaves_none_of_another_model(user: Path, exported: Path, tmp_path: Path) -> None:
    shutil.copytree(exported, tmp_path / "again")
    assert export(user, "-o", f"Global.save_inference_dir={tmp_path}/again").returncode == 0
    assert not (tmp_path / "again/inference.onnx").exists()
    with pytest.raises(CheckpointError, match="engine: onnxruntime: there is no ONNX file; export with --format onnx"):
        Predictor(tmp_path / "again", engine="onnxruntime")


def test_an_opset_that_would_end_the_process_is_refused(user: Path, tmp_path: Path) -> None:
    done = export(user, "--format", "onnx", "--opset", "22", "-o", f"Global.save_inference_dir={tmp_path}/x")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "--opset: must be from 7 to 21; received 22" in done.stderr
    assert not (tmp_path / "x").exists()


def test_a_model_of_more_than_the_format_holds_is_refused_before_anything_is_written(
    user: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_export, "LARGEST", 1_000_000)
    places = [f"Global.save_inference_dir={tmp_path}/new/x", f"Global.output_dir={tmp_path}/output"]
    engine = Engine(load_config(str(user / "small.yaml"), places))
    with pytest.raises(ConfigError, match="an ONNX file holds at most 0.001 GB; received 0.0 GB"):
        export_engine(engine, onnx_opset=17)
    assert not list(tmp_path.iterdir())


def test_half_a_file_is_told(exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(exported, tmp_path / "full")
    file = tmp_path / "full/inference.onnx"
    content = file.read_bytes()
    monkeypatch.setattr(onnx_export, "_convert", lambda *_: file.write_bytes(content[: len(content) // 2]))
    with pytest.raises(CheckpointError, match="the file that paddle2onnx wrote is not whole .*; is the disk full"):
        onnx_export.convert(tmp_path / "full", artifact.read(exported), 17)


def test_what_an_engine_does_not_do_is_refused(exported: Path) -> None:
    with pytest.raises(DeviceError, match="ONNX Runtime computes in float32; received bfloat16"):
        Predictor(exported, engine="onnxruntime", precision="bfloat16")
    with pytest.raises(DeviceError, match="onnxruntime computes on the CPU only; received device 'gpu'"):
        Predictor(exported, engine="onnxruntime", device="gpu")


def test_the_metadata_is_text_that_others_can_read(exported: Path) -> None:
    import onnx
    import yaml

    model = onnx.load(str(exported / "inference.onnx"))
    (entry,) = [entry for entry in model.metadata_props if entry.key == "ppcls"]
    content = yaml.safe_load(entry.value)
    assert json.dumps(content["input_shape"]) == "[3, 32, 32]"
    assert model.opset_import[0].version == 17
