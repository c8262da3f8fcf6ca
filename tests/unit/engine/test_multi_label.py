"""The page docs/multi_label.md, with a smaller model: its images, its config, and what is learned from them."""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest
from runs import records, trained

from ppcls.cli import main
from ppcls.config import load_config
from ppcls.engine.engine import Engine
from ppcls.inference import artifact
from ppcls.inference.predictor import Predictor

PAGE = Path(__file__).resolve().parents[3] / "docs/multi_label.md"


@pytest.fixture
def signs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Do in an empty folder what the page says first; return its config."""
    monkeypatch.chdir(tmp_path)
    for language, name in (("python", "draw.py"), ("yaml", "signs.yaml")):
        (block,) = re.findall(f"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
        (tmp_path / name).write_text(block)
    runpy.run_path("draw.py")
    return "signs.yaml"


def test_several_classes_an_image_are_learned_in_seconds(signs: str) -> None:
    metrics = "Metric.Eval=[MultiLabelMAP, ATTRMetric, {AccuracyScore: {base: label}}, HammingDistance]"
    options = ["Arch.name=Tiny", "Optimizer.lr.learning_rate=0.01", "Global.output_dir=run", metrics]
    *_, last = records(trained(Engine(load_config(signs, options))), "eval")
    assert last["mAP"] > 0.95
    assert last["label_accuracy"] == pytest.approx(1 - last["hamming_distance"])
    assert 0.5 < last["ma"] < 1
    weights = ["Global.pretrained_model=run/Tiny/latest", "Global.save_inference_dir=exported"]
    words = [word for option in [*options, *weights] for word in ("-o", option)]
    assert main(["export", "-c", signs, *words, "--calibrate", "recall=0.9"]) == 0
    predictor = Predictor("exported")
    thresholds = predictor.artifact.postprocess.args["threshold"]
    assert len(set(thresholds)) == 3 and artifact.read(Path("exported")).postprocess.args["threshold"] == thresholds
    lines = [line.split("\t") for line in Path("dataset/signs/val.txt").read_text().splitlines()]
    found = predictor.predict([f"dataset/signs/{name}" for name, _ in lines])
    for label in range(3):
        there = [answer.class_ids for (_, flags), answer in zip(lines, found) if flags[2 * label] == "1"]
        assert 0.9 <= np.mean([label in ids for ids in there]) < 1


def test_every_loss_of_the_page_goes_down(signs: str) -> None:
    losses = (
        "MultiLabelLoss: {weight_ratio: True, size_sum: True}",
        "MultiLabelAsymmetricLoss: {reduction: mean}",
        "BCELoss: {pos_weight: [1.0, 8.0, 1.0]}",
        "FocalLoss:",
    )
    ratios = [f"DataLoader.{section}.dataset.label_ratio=True" for section in ("Train", "Eval")]
    for number, loss in enumerate(losses):
        options = [
            *ratios,
            "Arch.name=Tiny",
            "Optimizer.lr.learning_rate=0.01",
            f"Global.output_dir=run{number}",
            f"Loss.Train=[{{{loss}}}]",
            "Global.epochs=3",
        ]
        first, *_, last = records(trained(Engine(load_config(signs, options))), "eval")
        assert last["loss"] < first["loss"] and last["mAP"] > 0.8, loss
