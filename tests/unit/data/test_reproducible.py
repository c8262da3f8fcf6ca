"""What a sample becomes depends on seed, epoch and the number of its draw; on nothing else."""

import pickle
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ppcls.data.loader.loader import Loader
from ppcls.data.loader.streams import stream
from ppcls.data.samplers.base import Batching, ClassAwareSampler, DistributedBatchSampler, RepeatedAugSampler
from ppcls.data.sources.folders import ImageFolder
from ppcls.images import TRANSFORMS
from ppcls.images.pipeline import Pipeline
from ppcls.images.transforms.erasing import Erasing
from ppcls.images.transforms.geometry import ResizeImage
from ppcls.images.transforms.layout import NormalizeImage

sys.path.append(str(Path(__file__).resolve().parents[3] / "docs"))

from gallery import EXAMPLES, FRAME, built

NAMES = [name for name in TRANSFORMS.names() if name not in FRAME]
FIXED = {"ResizeImage", "CropImage", "CropImageAtRatio", "CenterCrop", "Resize", "Pad", "Padv2"}
NUM_IMAGES = 11
SEED = 5


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one image a class, so that a label says which image it is."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for index in range(NUM_IMAGES):
        (folder / f"{index:02}").mkdir()
        small = rng.integers(0, 256, (7, 9, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{index:02}/image.png"), cv2.resize(small, (400, 300)))
    return folder


def everything() -> list[Any]:
    """Return all transforms in one list, at sizes that all of them can work on.

    What paints over an image comes first, or little would be left of it; some of that after NormalizeImage as well.
    """
    ops = sorted((built(TRANSFORMS, name) for name in NAMES), key=lambda op: not isinstance(op, Erasing))
    steps = [op for op in ops if not getattr(op, "normalized_only", False)]
    sized = [step for op in steps for step in (ResizeImage([240, 240]), op)]
    return [*sized, ResizeImage([48, 40]), NormalizeImage(), built(TRANSFORMS, "RandomErasing")]


def images_of(
    root: Path,
    epoch: int,
    *,
    batch_size: int = 4,
    num_workers: int = 0,
    skip: int = 0,
    seed: int = SEED,
    sampler: type = DistributedBatchSampler,
    world: int = 1,
) -> dict[int, list[np.ndarray]]:
    """Return what became of each image in an epoch, on all ranks."""
    found: dict[int, list[np.ndarray]] = {}
    for rank in range(world):
        dataset = ImageFolder(Pipeline(everything()), NUM_IMAGES, image_root=str(root))
        batches = sampler(dataset.labels, seed, rank, world, False, Batching(batch_size=batch_size, shuffle=True))
        loader = Loader(dataset, batches, [], seed, num_workers=num_workers)
        for batch in loader.epoch(epoch, skip=skip):
            for image, label in zip(batch.images.copy(), batch.labels.tolist()):
                found.setdefault(label, []).append(image)
        loader.close()
    return found


def assert_same(some: dict[int, list[np.ndarray]], others: dict[int, list[np.ndarray]]) -> None:
    assert some and all(
        any(np.array_equal(image, other) for other in others[name]) for name in some for image in some[name]
    )


@pytest.fixture(scope="module")
def alone(root: Path) -> dict[int, list[np.ndarray]]:
    return images_of(root, 3)


@pytest.mark.parametrize("name", NAMES)
def test_a_transform_draws_from_its_stream_only_and_can_be_sent_to_a_worker(name: str) -> None:
    op, image = (
        built(TRANSFORMS, name),
        cv2.resize(np.random.default_rng(1).integers(0, 256, (9, 9, 3), dtype=np.uint8), (240, 240)),
    )
    before = image.copy()
    sent = pickle.loads(pickle.dumps(op))
    results = []
    for number in range(12):
        one, same, there = (step(image, stream("sample", seed=1, epoch=2, number=number)) for step in (op, op, sent))
        np.testing.assert_array_equal(one, same)
        np.testing.assert_array_equal(one, there)
        assert one.dtype == np.uint8 and one.shape[2] == 3
        results.append(one.tobytes())
    assert (len(set(results)) == 1) == (name in FIXED)
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize(
    "options", [{"num_workers": 1}, {"num_workers": 2, "batch_size": 3}, {"batch_size": 11}, {"skip": 1}, {"world": 2}]
)
def test_workers_batch_size_ranks_and_resuming_change_no_sample(
    root: Path, alone: dict[int, list[np.ndarray]], options: dict[str, int]
) -> None:
    assert len(alone) == NUM_IMAGES
    assert_same(images_of(root, 3, **options), alone)


@pytest.mark.parametrize("options", [{"epoch": 4}, {"epoch": 3, "seed": 6}])
def test_epoch_and_seed_change_every_sample(
    root: Path, alone: dict[int, list[np.ndarray]], options: dict[str, int]
) -> None:
    others = images_of(root, **options)
    assert not any(np.array_equal(alone[name][0], others[name][0]) for name in alone)
    assert min(images[0].std() for images in alone.values()) > 0.1


@pytest.mark.parametrize("sampler", [RepeatedAugSampler, ClassAwareSampler])
def test_a_sample_that_comes_again_in_an_epoch_is_another_image(root: Path, sampler: type) -> None:
    dataset = ImageFolder(Pipeline(everything()), NUM_IMAGES, image_root=str(root))
    labels = [0] * 10 + [1]  # the last image is the only one of its class
    batches = sampler(labels, SEED, 0, 1, False, Batching(batch_size=11, shuffle=True))
    (batch,) = Loader(dataset, batches, [], SEED, num_workers=0).epoch(0)
    images_of_label: dict[int, list[bytes]] = {}
    for image, label in zip(batch.images, batch.labels):
        images_of_label.setdefault(int(label), []).append(image.tobytes())
    assert max(map(len, images_of_label.values())) >= 3
    assert all(len(set(images)) == len(images) for images in images_of_label.values())


def test_every_transform_has_its_example_and_its_images_in_the_docs() -> None:
    from gallery import DOCS, page

    assert (DOCS / "transforms.md").read_text(encoding="utf-8") == page(), "run `make docs`"
    assert {path.stem for path in (DOCS / "gallery").iterdir()} == set(EXAMPLES)
