"""Several digits in one image, which the commands of docs/multi_label.md learn to name."""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from ppcls.cli import main

RUN = """
Global: {{device: cpu, cpu_ops: stock, epochs: 4, eval_interval: 4, save_interval: -1, output_dir: {folder}/output}}
Arch: {{name: "digit_net:DigitNet", class_num: 10}}
Loss: {{Train: [MultiLabelLoss: ]}}
Optimizer: {{name: AdamW, lr: {{name: Cosine, learning_rate: 0.01, warmup_epoch: 1}}}}
DataLoader:
  Train:
    dataset:
      name: MultiLabelDataset
      image_root: {folder}/train
      cls_label_path: {folder}/train/list.txt
      transform_ops: [NormalizeImage: ]
    sampler: {{name: BatchSampler, batch_size: 64, shuffle: True}}
    loader: {{num_workers: 0}}
  Eval:
    dataset:
      name: MultiLabelDataset
      image_root: {folder}/val
      cls_label_path: {folder}/val/list.txt
      transform_ops: [NormalizeImage: ]
    sampler: {{name: BatchSampler, batch_size: 64}}
    loader: {{num_workers: 0}}
Metric: {{Eval: [MultiLabelMAP: , AccuracyScore: {{base: sample}}]}}
"""


def write_composites(digits: Path, folder: Path, number: int) -> None:
    """Write `number` images of 32 x 32 pixels with up to four of the `digits`, each a quarter, and their list."""
    files = sorted(digits.glob("*/*.png"))
    rng = np.random.default_rng(0)
    folder.mkdir()
    lines = []
    for index in range(number):
        there = np.zeros(10, int)
        image = np.zeros((32, 32, 3), np.uint8)
        for x, y in ((0, 0), (0, 16), (16, 0), (16, 16)):
            file = files[rng.integers(len(files))]
            if rng.random() < 0.5:
                image[y : y + 16, x : x + 16] = cv2.resize(cv2.imread(str(file)), (16, 16))
                there[int(file.parent.name)] = 1
        cv2.imwrite(str(folder / f"{index}.png"), image)
        lines.append(f"{index}.png\t{','.join(map(str, there))}\n")
    (folder / "list.txt").write_text("".join(lines))


@pytest.mark.slow
def test_digits_beside_each_other_are_all_found(digits: Path, tmp_path: Path) -> None:
    write_composites(digits / "train", tmp_path / "train", 3000)
    write_composites(digits / "val", tmp_path / "val", 500)
    (tmp_path / "run.yaml").write_text(RUN.format(folder=tmp_path))
    assert main(["train", "-c", str(tmp_path / "run.yaml")]) == 0
    (records,) = tmp_path.glob("output/*/metrics.jsonl")
    last = json.loads(records.read_text().splitlines()[-1])
    print(last, file=sys.stderr)
    assert last["phase"] == "eval" and last["mAP"] > 0.95
