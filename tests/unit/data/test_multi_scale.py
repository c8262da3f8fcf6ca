"""Batches of several image sizes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppcls.config import DataSection, load_config
from ppcls.data.loader.loader import Loader
from ppcls.data.samplers.multi_scale import MultiScaleSampler
from ppcls.engine import build
from ppcls.errors import ConfigError

SCALES = [64, 32, 48]  # with 4, 16 and 7 images


def sampler(rank: int = 0, world_size: int = 1, num_samples: int = 100, **options: Any) -> MultiScaleSampler:
    arguments = {"scales": SCALES, "first_bs": 4, "divided_factor": 16, **options}
    return MultiScaleSampler(np.zeros(num_samples), 0, rank, world_size, False, **arguments)


def test_batches_of_smaller_images_are_larger_and_every_sample_comes() -> None:
    found = sampler()
    assert found.sizes == {(64, 64): 4, (32, 32): 16, (48, 48): 7}
    batches = list(found.batches(3))
    assert [len(batch) for batch in batches] == [found.size(number) for number in range(len(found))]
    assert {found.image_size(number) for number in range(len(found))} == set(found.sizes)
    drawn = np.concatenate(batches)
    assert sorted(drawn[:100]) == list(range(100)) and list(drawn[100:]) == list(drawn[: len(drawn) - 100])
    assert all(map(np.array_equal, found.batches(3, skip=2), batches[2:]))
    assert sampler(is_training=False).sizes == {(64, 64): 4}
    assert sampler(scales=[(70, 40)]).sizes == {(32, 64): 5}


def test_the_ranks_share_batches_of_one_size() -> None:
    ranks = [sampler(rank, 2) for rank in range(2)]
    assert [ranks[0].image_size(n) for n in range(len(ranks[0]))] == [
        ranks[1].image_size(n) for n in range(len(ranks[1]))
    ]
    drawn = [np.concatenate(batches) for batches in zip(*(list(rank.batches(0)) for rank in ranks))]
    assert sorted(np.concatenate(drawn)[:100]) == list(range(100))


def loader(config: str, num_workers: int, *options: str) -> Loader:
    sampler = f"{{name: MultiScaleSampler, scales: {SCALES}, first_bs: 2, divided_factor: 16}}"
    loaded = load_config(
        config,
        [f"DataLoader.Train.sampler={sampler}", f"DataLoader.Train.loader.num_workers={num_workers}", *options],
    )
    section = loaded.DataLoader.Train
    assert isinstance(section, DataSection)
    return build.loader(loaded, section, training=True)


@pytest.mark.parametrize("shared_memory", [True, False])
def test_images_have_the_size_of_their_batch_whoever_reads_them(shapes_yaml: str, shared_memory: bool) -> None:
    alone = [batch.images.copy() for batch in loader(shapes_yaml, 0).epoch(0)]
    assert {images.shape for images in alone} <= {(2, 3, 64, 64), (8, 3, 32, 32), (3, 3, 48, 48)}
    assert len({images.shape for images in alone}) > 1
    others = loader(shapes_yaml, 2, f"DataLoader.Train.loader.use_shared_memory={shared_memory}")
    for images, batch in zip(alone, others.epoch(0)):
        np.testing.assert_array_equal(images, batch.images)
    others.close()


def test_transforms_without_a_size_are_refused(shapes_yaml: str) -> None:
    with pytest.raises(ConfigError, match="images of several sizes need a RandCropImage, ResizeImage or CropImage"):
        loader(shapes_yaml, 0, "DataLoader.Train.dataset.transform_ops=[{RandomCropImage: {size: 16}}]")


def test_paddleclas_name_of_the_data_set_is_that_of_lists(shapes: Path, shapes_yaml: str) -> None:
    dataset = f"{{name: MultiScaleDataset, image_root: {shapes}/train, cls_label_path: null}}"
    config = load_config(shapes_yaml, [f"DataLoader.Train.dataset={dataset}"])
    assert config.DataLoader.Train is not None and config.DataLoader.Train.dataset.name == "ImageNetDataset"
