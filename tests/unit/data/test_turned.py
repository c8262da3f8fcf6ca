"""Images whose label is how they were turned."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from ppcls.config import load_config
from ppcls.engine import build
from ppcls.errors import ConfigError

RUN = """
Global: {{device: cpu}}
Arch: {{name: ResNet18, class_num: {classes}}}
DataLoader:
  Train:
    dataset:
      name: CustomLabelDataset
      image_root: {folder}
      sample_list_path: {folder}/list.txt
      label_key: random_rot90_orientation
      transform_ops:
        - DecodeImage:
        - ResizeImage: {{size: 8}}
        - NormalizeImage: {{scale: 1.0, mean: [0, 0, 0], std: [1, 1, 1]}}
        - RandomRot90:
    sampler: {{name: BatchSampler, batch_size: 8, shuffle: True}}
    loader: {{num_workers: {workers}}}
"""


def yaml_in(folder: Path, *, classes: int = 4, workers: int = 0) -> str:
    for number in range(16):
        image = np.zeros((8, 8, 3), np.uint8)
        image[:4, :4] = 50 + number  # the corner says how it is turned
        cv2.imwrite(str(folder / f"{number}.png"), image)
    (folder / "list.txt").write_text("".join(f"{number}.png\n" for number in range(16)))
    (folder / "run.yaml").write_text(RUN.format(folder=folder, classes=classes, workers=workers))
    return str(folder / "run.yaml")


def corner(image_CHW: np.ndarray) -> int:
    """How often an image was turned counter-clockwise, by where its corner is."""
    top_left, bottom_left, bottom_right, top_right = (image_CHW[0, y, x] for y, x in ((0, 0), (7, 0), (7, 7), (0, 7)))
    return int(np.argmax([top_left, bottom_left, bottom_right, top_right]))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_label_is_how_its_image_was_turned_anew_in_each_epoch(tmp_path: Path, workers: int) -> None:
    loader = build.train_loader(load_config(yaml_in(tmp_path, workers=workers)))
    epochs = []
    for epoch in range(2):
        batches = [(batch.images.copy(), batch.labels) for batch in loader.epoch(epoch)]
        images, labels = (np.concatenate(arrays) for arrays in zip(*batches))
        assert labels.tolist() == [corner(image) for image in images] and len(set(labels.tolist())) == 4
        epochs.append({int(image.max()): label for image, label in zip(images, labels.tolist())})
    assert epochs[0].keys() == epochs[1].keys() and epochs[0] != epochs[1]
    one = loader.sample(0, 3)
    assert corner(one.images[0]) == one.labels[0]
    loader.close()


def test_other_numbers_of_classes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="TurnedImages: class_num: quarter turns are 4 classes; received 5"):
        build.train_loader(load_config(yaml_in(tmp_path, classes=5)))
