"""A teacher is worth having."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from ppcls.config import load_config
from ppcls.engine.engine import Engine

REPO = Path(__file__).resolve().parents[2]
NUM_IMAGES = 10  # that the student sees of each class


def trained(folder: Path, config: str, *options: str) -> float:
    """Return the best top-1 of a run on the digits."""
    splits = {"Train": "train", "Eval": "val"}
    places = [f"DataLoader.{name}.dataset.image_root={folder}/digits/{split}" for name, split in splits.items()]
    common = ["Global.cpu_ops=stock", "Global.overwrite=True", "Global.save_interval=-1"]
    best = Engine(load_config(str(REPO / "configs" / config), [*places, *common, *options])).train()
    assert best is not None
    return best


@pytest.mark.slow
def test_a_student_of_few_images_is_better_with_a_teacher_than_alone(digits: Path, tmp_path: Path) -> None:
    for folder in (digits / "train").iterdir():
        for file in sorted(folder.iterdir())[:NUM_IMAGES]:
            target = tmp_path / "few" / folder.name / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
    trained(tmp_path, "digits.yaml", f"Global.output_dir={tmp_path}/teacher")
    few = [
        f"DataLoader.Train.dataset.image_root={tmp_path}/few",
        "DataLoader.Train.sampler.batch_size=20",
        "Global.epochs=8",
        "Optimizer.lr.warmup_epoch=1",
        "Optimizer.lr.learning_rate=0.02",
    ]
    models = [
        f"Arch.models.0.Teacher.pretrained={tmp_path}/teacher/ResNet18/best_model",
        "Arch.models.1.Student.name=ResNet18",
    ]
    alone, taught = [], []
    for seed in range(3):
        options = [*few, f"Global.seed={seed}", f"Global.output_dir={tmp_path}/{seed}"]
        alone.append(trained(tmp_path, "digits.yaml", "Loss.Train=[{CELoss: {}}]", *options))
        taught.append(trained(tmp_path, "digits_distill.yaml", *models, *options))
    print(f"alone {alone}, with a teacher {taught}", file=sys.stderr)
    assert np.mean(taught) > np.mean(alone)
