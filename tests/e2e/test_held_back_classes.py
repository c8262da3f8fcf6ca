"""Training for retrieval makes images of classes that it has not seen easier to find."""

import sys
from pathlib import Path

import pytest

from ppcls.config import load_config
from ppcls.engine.engine import Engine

# Of the ten classes of imagenette-mini, five to train on; of the others, the images held back search those of `train`.
CONFIG = """
Global: {{device: cpu, eval_mode: retrieval, image_shape: [3, 64, 64], epochs: 20, eval_interval: 20, seed: 0,
  output_dir: {folder}/output}}
Arch:
  name: RecModel
  Backbone: {{name: PPLCNet_x0_25}}
  BackboneStopLayer: {{name: flatten}}
  Neck: {{name: FC, embedding_size: 1280, class_num: 128}}
  Head: {{name: ArcMargin, embedding_size: 128, class_num: 5, margin: 0.15, scale: 30}}
Loss: {{Train: [CELoss: , TripletLossV2: {{margin: 0.5}}]}}
Optimizer: {{name: Adam, lr: {{name: Cosine, learning_rate: 0.003, warmup_epoch: 1}}}}
DataLoader:
  Train:
    dataset: {{name: VeriWild, image_root: {data}, cls_label_path: {folder}/train.txt, transform_ops: [DecodeImage,
      RandCropImage: {{size: 64, scale: [0.3, 1.0]}}, RandFlipImage, NormalizeImage]}}
    sampler: {{name: PKSampler, batch_size: 40, sample_per_id: 8}}
    loader: {{num_workers: 2}}
  Eval:
    Query:
      dataset: {{name: VeriWild, image_root: {data}, cls_label_path: {folder}/query.txt, transform_ops: &seen
        [DecodeImage, ResizeImage: {{resize_short: 72}}, CropImage: {{size: 64}}, NormalizeImage]}}
      sampler: {{name: DistributedBatchSampler, batch_size: 50}}
      loader: {{num_workers: 0}}
    Gallery:
      dataset: {{name: VeriWild, image_root: {data}, cls_label_path: {folder}/gallery.txt, transform_ops: *seen}}
      sampler: {{name: DistributedBatchSampler, batch_size: 50}}
      loader: {{num_workers: 0}}
Metric: {{Eval: [Recallk: {{topk: [1, 5]}}, mAP: ]}}
"""


@pytest.mark.slow
def test_recall_on_held_back_classes_is_better_than_the_untrained_models(shared: Path, tmp_path: Path) -> None:
    data = shared / "data/imagenette-mini"
    for name, listed, of_training in (("train", "train", True), ("query", "val", False), ("gallery", "train", False)):
        pairs = [line.split() for line in (data / f"{listed}_list.txt").read_text().splitlines()]
        chosen = [(path, int(label)) for path, label in pairs if (int(label) % 2 == 0) == of_training]
        (tmp_path / f"{name}.txt").write_text("".join(f"{path} {label // 2}\n" for path, label in chosen))
    (tmp_path / "run.yaml").write_text(CONFIG.format(data=data, folder=tmp_path))
    config = load_config(str(tmp_path / "run.yaml"))
    untrained = Engine(config)
    before = untrained.evaluate(untrained.evaluators[0])
    trained = Engine(config)
    trained.train()
    after = trained.evaluate(trained.evaluators[0])
    print(f"untrained {before}, trained {after}", file=sys.stderr)
    assert after["recall1"] > before["recall1"]
    assert after["recall5"] > before["recall5"] + 0.1
