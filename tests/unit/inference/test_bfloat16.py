"""bfloat16 on any CPU: computed where the CPU has it, and else float32 and a line that says so."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ppcls import environment
from ppcls.config import load_config
from ppcls.engine.engine import Engine
from ppcls.export.export import export
from ppcls.inference.predictor import Predictor

HAS_BFLOAT16 = not environment.bfloat16_obstacle()


def images(predictor: Predictor, photos: list[bytes]) -> np.ndarray:
    return predictor.finish(np.stack([predictor.pipeline.sample(photo, np.random.default_rng(0)) for photo in photos]))


def test_bfloat16_is_near_or_float32_is_used_and_said(
    exported: Path, photos: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    exact, predictor = Predictor(exported), Predictor(exported, precision="bfloat16")
    given = images(exact, photos)
    difference = np.abs(predictor.scores(given) - exact.scores(given)).max()
    if HAS_BFLOAT16:
        assert "bfloat16" in predictor.about and not caplog.records
        assert 0 < difference < 0.05
    else:
        assert "float32" in predictor.about and difference == 0
        assert caplog.messages == [f"precision: {environment.bfloat16_obstacle()}; computing in float32"]


@pytest.mark.skipif(not HAS_BFLOAT16, reason=environment.bfloat16_obstacle())
def test_bfloat16_that_changes_a_score_too_much_is_not_used(
    exported: Path, photos: list[bytes], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ppcls.inference.predictor.BFLOAT16_TOLERANCE", 0.0)
    predictor = Predictor(exported, precision="bfloat16")
    assert "float32" in predictor.about
    assert "bfloat16 changes a score by" in caplog.text
    given = images(predictor, photos)
    np.testing.assert_allclose(predictor.scores(given), Predictor(exported).scores(given), atol=1e-6)


@pytest.mark.skipif(not HAS_BFLOAT16, reason=environment.bfloat16_obstacle())
def test_bfloat16_that_changes_no_score_is_not_claimed(
    exported: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # The softmax of one class is 1, whatever computes it.
    options = ["Arch.class_num=1", "Infer.PostProcess={name: Topk, topk: 1, class_id_map_file: null}"]
    options += [f"Global.save_inference_dir={tmp_path}"]
    folder = export(Engine(load_config(str(exported.parent / "small.yaml"), options)))
    caplog.clear()
    assert "float32" in Predictor(folder, precision="bfloat16").about
    assert caplog.messages == ["bfloat16 changes no score, as if it were not computed; computing in float32"]


@pytest.mark.skipif("AVX2" not in environment.instruction_sets(), reason="this CPU can't stand in for one with AVX2")
def test_predict_cls_says_in_one_line_that_the_cpu_has_no_bfloat16(
    exported: Path, photos: list[bytes], tmp_path: Path
) -> None:
    (tmp_path / "photo.jpg").write_bytes(photos[0])
    settings = {"inference_model_dir": exported, "infer_imgs": tmp_path / "photo.jpg", "enable_benchmark": True}
    options = [f"-oGlobal.{key}={value}" for key, value in settings.items()]
    script = str(Path(__file__).resolve().parents[3] / "deploy/python/predict_cls.py")
    weak = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"}
    bfloat16, float32 = (
        subprocess.run([sys.executable, script, *options, *more], env=weak, capture_output=True, text=True)
        for more in (["-oGlobal.use_bf16=True"], [])
    )
    reason = "bfloat16 needs AVX512_CORE_BF16; the best that oneDNN has on this CPU is AVX2"
    assert (bfloat16.returncode, bfloat16.stderr) == (0, f"precision: {reason}; computing in float32\n")
    assert bfloat16.stdout.splitlines()[:2] == float32.stdout.splitlines()[:2]
    assert ", float32, " in bfloat16.stdout
