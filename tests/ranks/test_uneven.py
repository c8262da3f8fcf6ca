"""Ranks whose batches are not equally large, or not finite, are still one run."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from launches import PADDLE_LAUNCHER, REPO, Launch

UNEVEN_RUN = str(REPO / "tests/ranks/uneven_run.py")
# Of 40 training images: in a global batch of 8 the ranks lose none, one or several of their 4.
CORRUPT = (0, 1, 2, 3, 5, 8, 13, 14, 15, 21, 34)

# 29 queries and a gallery of 27 images, of which 18 are queries too, by batches of 3.
RETRIEVAL = """
Global: {{device: cpu, eval_mode: retrieval}}
Arch: {{name: RecModel, Backbone: {{name: ResNet18}}, BackboneStopLayer: {{name: flatten}}}}
DataLoader:
  Eval:
    Query: &query
      dataset: {{name: VeriWild, image_root: {data}, cls_label_path: {data}/query.txt,
        transform_ops: [DecodeImage, NormalizeImage]}}
      sampler: {{name: DistributedBatchSampler, batch_size: 3}}
      loader: {{num_workers: 0}}
    Gallery:
      <<: *query
      dataset: {{name: VeriWild, image_root: {data}, cls_label_path: {data}/gallery.txt,
        transform_ops: [DecodeImage, NormalizeImage]}}
Metric: {{Eval: [Recallk: {{topk: [1, 3]}}, mAP: , mINP: ]}}
"""


@pytest.fixture
def damaged(images: Path, tmp_path: Path) -> Path:
    """A folder with 40 training images, 11 of which can't be decoded, and lists of the others to query and to find."""
    folder = tmp_path / "damaged"
    shutil.copytree(images, folder)
    for index in range(160):
        file = folder / f"train/class{index % 4}/{index}.png"
        if index >= 40:
            file.unlink()
        elif index in CORRUPT:
            file.write_bytes(file.read_bytes()[:60])
    places = [("train", index) for index in range(40) if index not in CORRUPT]
    for name, listed in (("query", places), ("gallery", [*places[11:], *(("val", index) for index in range(9))])):
        lines = [f"{split}/class{index % 4}/{index}.png {index % 4} {index % 3}\n" for split, index in listed]
        (folder / f"{name}.txt").write_text("".join(lines))
    return folder


def found(launch: Launch, config: Path, data: Path, folder: Path, ranks: int) -> list[dict[str, Any]]:
    """Return what each rank has found."""
    overrides = (
        f"DataLoader.Train.dataset.image_root={data}/train",
        "DataLoader.Train.dataset.skip_corrupt=True",
        f"DataLoader.Train.sampler.batch_size={8 // ranks}",
        "DataLoader.Eval.sampler.batch_size=4",
        "Optimizer.lr.learning_rate=0.5",
        "Global.update_freq=2",
        "Global.epochs=2",
        f"Global.output_dir={folder}/output",
    )
    folder.mkdir()
    (folder / "retrieval.yaml").write_text(RETRIEVAL.format(data=data))
    words = (UNEVEN_RUN, str(folder / "found"), str(config), str(folder / "retrieval.yaml"), *overrides)
    launcher = ("--log_level", "ERROR", "--log_dir", "logs", "--nproc_per_node", str(ranks))
    script, words = (words[0], words[1:]) if ranks == 1 else (PADDLE_LAUNCHER, (*launcher, *words))
    run = launch(*words, script=script, folder=folder)
    assert run.wait() == 0, run.printed()
    return [json.loads((folder / f"found/rank_{rank}.json").read_text()) for rank in range(ranks)]


def test_two_ranks_that_lose_images_train_evaluate_and_stop_as_one_process(
    launch: Launch, config: Path, damaged: Path, tmp_path: Path
) -> None:
    (alone,) = found(launch, config, damaged, tmp_path / "one", 1)
    first, second = found(launch, config, damaged, tmp_path / "two", 2)
    assert first == second
    np.testing.assert_allclose(first["weights"], alone["weights"], rtol=0, atol=1e-12)
    results, expected = first["results"], alone["results"]
    assert results.pop("loss") == pytest.approx(expected.pop("loss"), rel=1e-6)
    assert results == expected
    assert first["retrieval"] == alone["retrieval"] and 0 < first["retrieval"]["mAP"] < 1
    message = first["message"]
    assert message.startswith("epoch 1, batch 2 (step 0): the loss term Spoiled of rank 1 is not finite"), message
