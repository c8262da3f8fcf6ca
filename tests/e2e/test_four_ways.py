"""The training-time model, the exported one, ONNX and HTTP give the same five classes for real photos."""

import json
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

pytest.importorskip("paddle2onnx", reason="the extra `onnx` is not installed")
pytest.importorskip("fastapi", reason="the extra `serve` is not installed")

from test_serve import form, server

REPO = Path(__file__).resolve().parents[2]
LINE = re.compile(r"^(\S+):\tclass id\(s\): (\[.*?\]), score\(s\): (\[.*?\]), label_name\(s\): (\[.*\])$", re.MULTILINE)

Answers = dict[str, tuple[list[int], list[float]]]


def run(*words: str) -> str:
    done = subprocess.run([sys.executable, *words], cwd=REPO, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def printed(output: str) -> Answers:
    return {name: (json.loads(ids), json.loads(scores)) for name, ids, scores, _ in LINE.findall(output)}


def test_all_give_the_same_five_classes(shared: Path, tmp_path: Path) -> None:
    images, model = tmp_path / "images", tmp_path / "inference"
    images.mkdir()
    for photo in sorted((shared / "data/imagenet-sample").glob("*.JPEG"))[::20]:
        shutil.copy(photo, images)
    shutil.copy(shared / "data/ILSVRC2012_val_00030010.jpeg", images)
    config = ["-c", "configs/ResNet18.yaml", "-o", "Global.device=cpu", "-o", f"Global.output_dir={tmp_path}"]
    config += ["-o", f"Global.pretrained_model={shared}/weights/resnet18-imagenet1k.safetensors"]
    infer = printed(run("tools/infer.py", *config, "-o", f"Infer.infer_imgs={images}"))
    run("tools/export_model.py", *config, "-o", f"Global.save_inference_dir={model}", "--format", "onnx")
    predict = ["deploy/python/predict_cls.py", "-c", "deploy/configs/inference_cls.yaml"]
    predict += ["-o", f"Global.infer_imgs={images}", "-o"]
    paddle = printed(run(*predict, f"Global.inference_model_dir={model}", "-o", "Global.engine=paddle"))
    onnx = printed(run(*predict, f"Global.inference_model_dir={model}/inference.onnx"))
    with server(model) as running:
        files = sorted(images.iterdir())
        request = urllib.request.Request(
            f"http://127.0.0.1:{running.port}/v1/predict",
            form([file.read_bytes() for file in files]),
            {"Content-Type": "multipart/form-data; boundary=b"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            results = json.load(answer)["results"]
    http = {file.name: (it["class_ids"], it["scores"]) for file, it in zip(files, results)}
    assert len(infer) == 5 and infer["ILSVRC2012_val_00030010.jpeg"][0][0] == 80
    for other in (paddle, onnx, http):
        assert set(other) == set(infer)
        for name, (ids, scores) in infer.items():
            assert other[name][0] == ids
            assert other[name][1] == pytest.approx(scores, abs=0.006)
