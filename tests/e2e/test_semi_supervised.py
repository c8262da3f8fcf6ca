"""Images without labels are worth having: docs/semi_supervised.md."""

import sys
from pathlib import Path

import pytest

from ppcls.config import load_config
from ppcls.engine.engine import Engine

REPO = Path(__file__).resolve().parents[2]
NUM_LABELLED = 4  # of each class
RUN = """
Global: {{device: cpu, cpu_ops: stock, epochs: 12, eval_interval: 12, save_interval: -1}}
Arch: {{name: "digit_net:DigitNet", class_num: 10}}
EMA: {{decay: 0.97}}
Loss:
  Train:
    - CELoss:
Optimizer:
  name: Momentum
  use_nesterov: true
  lr: {{name: Cosine, learning_rate: 0.05, warmup_epoch: 1}}
  regularizer: {{name: L2, coeff: 0.0005}}
DataLoader:
  Train:
    dataset:
      name: ImageNetDataset
      image_root: {data}/train
      cls_label_path: {data}/few.txt
      transform_ops: &weak
        - RandCropImage: {{size: 16, scale: [0.7, 1.0]}}
        - NormalizeImage: &normalize {{mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}}
    sampler: {{name: BatchSampler, batch_size: 16, shuffle: true}}
    loader: &loader {{num_workers: 0}}
  Eval:
    dataset:
      name: ImageFolder
      image_root: {data}/val
      transform_ops:
        - ResizeImage: {{size: 16}}
        - NormalizeImage: *normalize
    sampler: {{name: BatchSampler, batch_size: 64}}
    loader: *loader
Metric:
  Eval:
    - TopkAcc: {{topk: [1]}}
"""
UNLABELLED = """
Global: {{train_mode: fixmatch}}
SSL: {{threshold: 0.9}}
UnLabelLoss:
  Train:
    - CELoss:
DataLoader:
  UnLabelTrain:
    dataset:
      name: ImageFolder
      image_root: {data}/train
      transform_ops_weak: &weak
        - RandCropImage: {{size: 16, scale: [0.7, 1.0]}}
        - NormalizeImage: &normalize {{mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}}
      transform_ops_strong:
        - RandCropImage: {{size: 16, scale: [0.5, 1.0]}}
        - RandAugment: {{num_layers: 2, magnitude: 8}}
        - NormalizeImage: *normalize
    sampler: {{name: BatchSampler, batch_size: 64, shuffle: true, drop_last: true}}
    loader: {{num_workers: 0}}
"""


@pytest.mark.slow
def test_forty_labels_are_worth_more_with_images_that_have_none(digits: Path, tmp_path: Path) -> None:
    few = [
        f"{folder.name}/{file.name} {folder.name}\n"
        for folder in sorted((digits / "train").iterdir())
        for file in sorted(folder.iterdir())[:NUM_LABELLED]
    ]
    (digits / "few.txt").write_text("".join(few * 10))  # an epoch of 25 batches
    (tmp_path / "few.yaml").write_text(RUN.format(data=digits))
    (tmp_path / "all.yaml").write_text(f"_base_: few.yaml\n{UNLABELLED.format(data=digits)}")
    found: dict[str, list[float]] = {"few": [], "all": []}
    for seed in range(2):
        for name, accuracies in found.items():
            options = [f"Global.seed={seed}", f"Global.output_dir={tmp_path}/{name}{seed}"]
            best = Engine(load_config(str(tmp_path / f"{name}.yaml"), options)).train()
            assert best is not None
            accuracies.append(best)
    print(f"top-1 on held-back digits: {found}", file=sys.stderr)
    assert sum(found["all"]) > sum(found["few"]) + 2 * 0.03
