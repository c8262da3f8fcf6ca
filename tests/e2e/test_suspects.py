"""Wrong labels among real photos, with the features of real weights."""

from pathlib import Path

import numpy as np
import pytest

from ppcls.config import load_config
from ppcls.report.evaluation import Evaluation
from ppcls.report.sources import images_at, of_config

RUN = """
Arch: {{name: ResNet18, class_num: 1000}}
Global: {{device: cpu, pretrained_model: {weights}}}
Infer:
  transforms: [{{ResizeImage: {{resize_short: 256}}}}, {{CropImage: {{size: 224}}}}, {{NormalizeImage: }}]
  PostProcess: {{name: Topk}}
"""


@pytest.mark.slow
def test_flipped_labels_stand_among_the_first_suspects(shared: Path, tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(RUN.format(weights=shared / "weights/resnet18-imagenet1k.safetensors"))
    source = of_config(load_config(str(tmp_path / "run.yaml")), tmp_path)
    listed = str(shared / "data/imagenette-mini/train_list.txt")
    names = [str(label) for label in range(10)]
    data = images_at(listed, source.pipeline, names)
    found = source.evaluate(data)
    rng = np.random.default_rng(0)
    flipped = rng.permutation(len(data))[: len(data) // 10]
    labels = found.labels.copy()
    labels[flipped] = (labels[flipped] + rng.integers(1, 10, len(flipped))) % 10
    noisy = Evaluation(found.paths, labels, found.scores[:, :10], names, found.features)
    first = {one.place for one in noisy.suspects(len(data) * 15 // 100)}
    assert len(first & set(flipped.tolist())) >= 0.9 * len(flipped)
