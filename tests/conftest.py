"""Fixtures that every test may use."""

import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import cv2
import numpy as np
import pytest

from ppcls.engine.log import close_log

# The reference numbers were computed with one thread, and small models are no faster with more.
os.environ.setdefault("MKL_NUM_THREADS", "1")
# A job in the background ignores Ctrl-C, and so would the commands that the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Random weights: where only the way to the scores matters, not the scores.
SMALL_MODEL = """
Global: {{device: cpu, image_shape: [3, 32, 32], output_dir: {folder}/output, save_inference_dir: {folder}/exported}}
Arch: {{name: RegNetX_200MF, class_num: 10}}
Infer:
  transforms:
    - DecodeImage:
    - ResizeImage: {{resize_short: 36}}
    - CropImage: {{size: 32}}
    - NormalizeImage:
    - ToCHWImage:
  PostProcess: {{name: Topk, topk: 5, class_id_map_file: {folder}/labels.txt}}
"""

# The same for retrieval.
SMALL_FEATURES = """
Global: {{device: cpu, image_shape: [3, 32, 32], output_dir: {folder}/output, save_inference_dir: {folder}/exported}}
Arch:
  name: RecModel
  Backbone: {{name: ResNet18}}
  BackboneStopLayer: {{name: flatten}}
  Neck: {{name: FC, embedding_size: 512, class_num: 16}}
Infer:
  transforms: [DecodeImage: , ResizeImage: {{size: 32}}, NormalizeImage: , ToCHWImage: ]
"""

# Three colours to tell apart, in the images of the fixture `shapes`.
SHAPES_RUN = """
Global: {{device: cpu, cpu_ops: stock, epochs: 4, save_interval: 10, image_shape: [3, 24, 24],
  output_dir: {folder}/output, save_inference_dir: {folder}/exported}}
Arch: {{name: ResNet18, class_num: 3}}
Loss:
  Train:
    - CELoss: {{epsilon: 0.1}}
  Eval:
    - CELoss:
Optimizer:
  name: Momentum
  lr: {{name: Cosine, learning_rate: 0.02, warmup_epoch: 1}}
  regularizer: {{name: L2, coeff: 0.0001}}
DataLoader:
  Train:
    dataset:
      name: ImageFolder
      image_root: {data}/train
      transform_ops:
        - RandCropImage: {{size: 24, scale: [0.5, 1.0]}}
        - RandFlipImage:
        - NormalizeImage: &normalize {{mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}}
    sampler: {{name: BatchSampler, batch_size: 8, shuffle: True}}
    loader: {{num_workers: 0}}
  Eval:
    dataset:
      name: ImageFolder
      image_root: {data}/val
      transform_ops:
        - ResizeImage: {{size: 24}}
        - NormalizeImage: *normalize
    sampler: {{name: BatchSampler, batch_size: 4}}
    loader: {{num_workers: 0}}
Metric:
  Train:
    - TopkAcc: {{topk: [1]}}
  Eval:
    - TopkAcc: {{topk: [1, 2]}}
"""

REPO = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def logger_as_before() -> Iterator[None]:
    """A command that ran in the test's own process leaves its log there, and its lines out of `caplog`."""
    yield
    logger = logging.getLogger("ppcls")
    close_log(logger)
    logger.propagate = True


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference numbers, images and weights beside the project; skips where it is absent."""
    folder = REPO.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"reference data not present: {folder}")
    return folder


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an exported RegNetX_200MF of 10 classes, of 32 x 32 pixels."""
    folder = tmp_path_factory.mktemp("model")
    (folder / "labels.txt").write_text("".join(f"{index} digit {index}\n" for index in range(10)))
    return _exported(folder, SMALL_MODEL)


@pytest.fixture(scope="session")
def exported_features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an exported model for retrieval, of 16 features, of 32 x 32 pixels."""
    return _exported(tmp_path_factory.mktemp("retrieval"), SMALL_FEATURES)


def _exported(folder: Path, config: str) -> Path:
    from ppcls.config import load_config
    from ppcls.engine.engine import Engine
    from ppcls.export.export import export

    (folder / "small.yaml").write_text(config.format(folder=folder))
    return export(Engine(load_config(str(folder / "small.yaml"))))


@pytest.fixture(scope="session")
def photos() -> list[bytes]:
    """Twenty small JPEGs, no two alike."""
    rng = np.random.default_rng(0)
    drawn = []
    for number in range(20):
        coarse = rng.integers(0, 256, (5, 6 + number % 3, 3), dtype="uint8")
        drawn.append(cv2.imencode(".jpg", cv2.resize(coarse, (60, 48), interpolation=cv2.INTER_CUBIC))[1].tobytes())
    return drawn


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `train` (26 images) and `val` (13), each with the class folders `blue`, `green` and `red`."""
    folder = tmp_path_factory.mktemp("shapes")
    rng = np.random.default_rng(0)
    for split, counts in (("train", (8, 9, 9)), ("val", (4, 4, 5))):
        for channel, (name, count) in enumerate(zip(("blue", "green", "red"), counts)):
            (folder / split / name).mkdir(parents=True)
            for number in range(count):
                height, width = rng.integers(20, 40, 2).tolist()
                image = rng.integers(0, 160, (height, width, 3), dtype="uint8")
                image[height // 4 : -height // 4, width // 4 : -width // 4, channel] = 230
                cv2.imwrite(str(folder / split / name / f"{number}.png"), image)
    return folder


@pytest.fixture(scope="session")
def write_shapes_yaml(shapes: Path) -> Callable[[Path], str]:
    """Return what writes `shapes.yaml` into a folder: the config of a run on `shapes` that writes below that folder."""

    def write(folder: Path) -> str:
        file = folder / "shapes.yaml"
        file.write_text(SHAPES_RUN.format(data=shapes, folder=folder))
        return str(file)

    return write


@pytest.fixture
def shapes_yaml(write_shapes_yaml: Callable[[Path], str], tmp_path: Path) -> str:
    """The config of a run on `shapes` that writes below `tmp_path`."""
    return write_shapes_yaml(tmp_path)
