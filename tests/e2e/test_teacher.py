"""A teacher is worth having: docs/distillation.md."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from ppcls.config import load_config
from ppcls.engine.engine import Engine

NUM_LABELLED = 10  # of each class, that the student sees
ALONE = """
Global: {{device: cpu, cpu_ops: stock, epochs: 30, eval_interval: 30, save_interval: -1}}
Arch: {{name: "digit_net:DigitNet", class_num: 10}}
Loss: {{Train: [CELoss: ]}}
Optimizer:
  name: Momentum
  use_nesterov: true
  lr: {{name: Cosine, learning_rate: 0.5, warmup_epoch: 1}}
  regularizer: {{name: L2, coeff: 0.0005}}
DataLoader:
  Train:
    dataset:
      name: ImageFolder
      image_root: {folder}/few
      transform_ops:
        - RandCropImage: {{size: 16, scale: [0.7, 1.0]}}
        - NormalizeImage: &normalize {{mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}}
    sampler: {{name: BatchSampler, batch_size: 20, shuffle: true}}
    loader: &loader {{num_workers: 0}}
  Eval:
    dataset:
      name: ImageFolder
      image_root: {folder}/digits/val
      transform_ops:
        - ResizeImage: {{size: 16}}
        - NormalizeImage: *normalize
    sampler: {{name: BatchSampler, batch_size: 64}}
    loader: *loader
Metric: {{Eval: [TopkAcc: {{topk: [1]}}]}}
"""
TAUGHT = """
_base_: alone.yaml
Arch:
  name: DistillationModel
  freeze_params_list: [true, false]
  models:
    - Teacher: {{name: "digit_net:DigitNet", class_num: 10, pretrained: "{folder}/teacher/digit_net:DigitNet/latest"}}
    - Student: {{name: "digit_net:DigitNet", class_num: 10}}
Loss:
  Train:
    - DistillationGTCELoss: {{model_names: [Student]}}
    - DistillationKLDivLoss: {{model_name_pairs: [[Student, Teacher]], temperature: 4}}
Optimizer: {{lr: {{learning_rate: 0.2}}}}
Metric: {{Eval: [DistillationTopkAcc: {{model_key: Student, topk: [1]}}]}}
"""


def trained(folder: Path, name: str, run: str, *options: str) -> float:
    """Return the top-1 on held-back digits after a training, whose checkpoints come into `folder/run`."""
    output = f"Global.output_dir={folder / run}"
    best = Engine(load_config(str(folder / f"{name}.yaml"), [output, *options])).train()
    assert best is not None
    return best


@pytest.mark.slow
def test_a_student_of_few_images_is_better_with_a_teacher_than_alone(digits: Path, tmp_path: Path) -> None:
    """The teacher has seen all 1437 images, the student a hundred of them, in both cases.

    Each case has the learning rate that is best for it by the seeds 10 and 11: alone among 0.05, 0.1, 0.2, 0.5 and 1,
    with a teacher among the first three.
    """
    for folder in (digits / "train").iterdir():
        for file in sorted(folder.iterdir())[:NUM_LABELLED]:
            target = tmp_path / "few" / folder.name / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
    (tmp_path / "alone.yaml").write_text(ALONE.format(folder=tmp_path))
    (tmp_path / "taught.yaml").write_text(TAUGHT.format(folder=tmp_path))
    data = [f"DataLoader.Train.dataset.image_root={digits}/train", "DataLoader.Train.sampler.batch_size=64"]
    teacher = ["Global.epochs=8", "Global.eval_interval=8", "Optimizer.lr.learning_rate=0.05"]
    top1 = {"teacher": [trained(tmp_path, "alone", "teacher", *data, *teacher)], "alone": [], "taught": []}
    for seed in range(3):
        for name in ("alone", "taught"):
            top1[name].append(trained(tmp_path, name, f"{name}{seed}", f"Global.seed={seed}"))
    print(f"top-1 on held-back digits: {top1}", file=sys.stderr)
    assert all(taught > alone for taught, alone in zip(top1["taught"], top1["alone"]))
    assert np.mean(top1["taught"]) > np.mean(top1["alone"]) + 0.03
