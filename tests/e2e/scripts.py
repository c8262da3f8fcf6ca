"""The scripts as a user runs them: as processes of their own, in a folder of his own."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
TRAIN, EVAL, INFER = "tools/train.py", "tools/eval.py", "tools/infer.py"
EXPORT, PREDICT = "tools/export_model.py", "deploy/python/predict_cls.py"

# What `DataLoader.Eval` does in these tests: more than the one resize of the fixture `shapes_yaml`.
TRANSFORMS = (
    "DataLoader.Eval.dataset.transform_ops=[DecodeImage: , ResizeImage: {resize_short: 28}, CropImage: {size: 24}, "
    "NormalizeImage: {scale: 1.0/255.0, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}, ToCHWImage: ]"
)


def command(script: str, config: str, *overrides: str) -> list[str]:
    options = [word for override in overrides for word in ("-o", override)]
    return [sys.executable, str(REPO / script), "-c", config, *options]


def run(cwd: Path, script: str, config: str, *overrides: str) -> "subprocess.CompletedProcess[str]":
    """Run a script in `cwd` to its end."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    words = command(script, config, *overrides)
    return subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@dataclass(frozen=True)
class Journey:
    """A trained and exported ResNet18 of the three colours, in a user's folder."""

    folder: Path
    train: "subprocess.CompletedProcess[str]"
    export: "subprocess.CompletedProcess[str]"

    config = "shapes.yaml"
    best = "Global.pretrained_model=output/ResNet18/best_model"
