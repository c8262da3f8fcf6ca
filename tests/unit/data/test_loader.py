"""The loader gives the same batches however it is run, and leaves nothing behind."""

import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ppcls.data.loader.loader import Loader
from ppcls.data.samplers.base import Batching, BatchSampler
from ppcls.data.sources.folders import ImageFolder
from ppcls.errors import DataError, TrainingError
from ppcls.images import TRANSFORMS
from ppcls.images.mixing.operators import MixupOperator
from ppcls.images.pipeline import Pipeline
from ppcls.images.transforms.layout import NormalizeImage

CropImage, RandCropImage, RandFlipImage = map(TRANSFORMS.load, ("CropImage", "RandCropImage", "RandFlipImage"))
REPO = Path(__file__).resolve().parents[3]
IMAGES = 22


@pytest.fixture
def root(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for index in range(IMAGES):
        folder = tmp_path / f"class{index % 3}"
        folder.mkdir(exist_ok=True)
        cv2.imwrite(str(folder / f"{index:02}.png"), rng.integers(0, 256, (20, 30, 3), dtype=np.uint8))
    return tmp_path


@pytest.fixture
def loaders() -> Iterator[list[Loader]]:
    """What is put here is closed at the end."""
    opened: list[Loader] = []
    yield opened
    for loader in opened:
        loader.close()


def build(
    root: Path,
    *,
    batch_size: int = 5,
    rank: int = 0,
    world: int = 1,
    exact: bool = False,
    skip_corrupt: bool = False,
    ops: tuple = (RandCropImage(16), RandFlipImage(), NormalizeImage()),
    **options: Any,
) -> Loader:
    dataset = ImageFolder(Pipeline(ops), 3, image_root=str(root), skip_corrupt=skip_corrupt)
    sampler = BatchSampler(dataset.labels, 11, rank, world, exact, Batching(batch_size=batch_size, shuffle=True))
    return Loader(dataset, sampler, [MixupOperator(3)] if options.pop("mixup", False) else [], 11, **options)


def batches(loader: Loader, epoch: int = 0, skip: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(batch.images, batch.labels) for batch in loader.epoch(epoch, skip=skip)]


def assert_same(one: list, other: list) -> None:
    assert len(one) == len(other)
    for (images, labels), (other_images, other_labels) in zip(one, other):
        np.testing.assert_array_equal(images, other_images)
        np.testing.assert_array_equal(labels, other_labels)


def workers_of(loader: Loader) -> list[int]:
    return [process.pid for process in loader._pool._processes.values()]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_batch_is_float32_nchw_with_int64_labels(root: Path) -> None:
    loader = build(root, num_workers=0)
    sizes = [len(batch) for batch in loader.epoch(0)]
    assert sizes == [5, 5, 5, 5, 2] and len(loader) == 5
    images, labels = batches(loader)[0]
    assert images.shape == (5, 3, 16, 16) and images.dtype == np.float32 and images.flags["C_CONTIGUOUS"]
    assert labels.shape == (5,) and labels.dtype == np.int64


@pytest.mark.parametrize("use_shared_memory", [True, False])
@pytest.mark.parametrize("num_workers", [1, 2, 4])
def test_batches_are_equal_for_any_number_of_workers(
    root: Path, loaders: list[Loader], num_workers: int, use_shared_memory: bool
) -> None:
    expected = build(root, num_workers=0, batch_size=9, mixup=True)
    loaders.append(build(root, num_workers=num_workers, use_shared_memory=use_shared_memory, batch_size=9, mixup=True))
    for epoch in (0, 1):
        assert_same(batches(loaders[0], epoch), batches(expected, epoch))
    assert_same(batches(loaders[0], 1, skip=2), batches(expected, 1)[2:])


@pytest.mark.parametrize("num_workers", [0, 2])
def test_the_memory_of_a_batch_is_used_again_once_nobody_holds_it(
    root: Path, loaders: list[Loader], num_workers: int
) -> None:
    expected = [images for epoch in range(3) for images, _ in batches(build(root, batch_size=4, num_workers=0), epoch)]
    loaders.append(build(root, batch_size=4, num_workers=num_workers))
    kept = []
    places = set()
    for epoch in range(3):
        for images in (batch.images for batch in loaders[0].epoch(epoch)):
            places.add(images.ctypes.data)
            if len(kept) < len(expected) // 2:
                kept.append(images[1:, :2])  # a view is enough
    assert len(places) < len(expected)
    for view, images in zip(kept, expected):
        np.testing.assert_array_equal(view, images[1:, :2])
    loaders[0].close()
    np.testing.assert_array_equal(kept[0], expected[0][1:, :2])
    np.testing.assert_array_equal(batches(loaders[0])[0][0], expected[0])


def test_samples_do_not_depend_on_the_batch_size_or_the_ranks(root: Path) -> None:
    def everything(loader: Loader) -> np.ndarray:
        return np.concatenate([batch.images for batch in loader.epoch(4)])

    expected = everything(build(root, batch_size=4, num_workers=0))
    np.testing.assert_array_equal(everything(build(root, batch_size=22, num_workers=0)), expected)
    shares = [batches(build(root, batch_size=2, rank=rank, world=2, num_workers=0), 4) for rank in (0, 1)]
    together = np.concatenate([images for step in zip(*shares) for images, _ in step])
    np.testing.assert_array_equal(together, expected)


def test_each_epoch_has_an_order_and_random_crops_of_its_own(root: Path) -> None:
    loader = build(root, batch_size=IMAGES, num_workers=0)
    (first, labels), (again, _), (second, other_labels) = (batches(loader, epoch)[0] for epoch in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert labels.tolist() != other_labels.tolist()
    assert not {image.tobytes() for image in first} & {image.tobytes() for image in second}


def test_ranks_draw_different_mixes(root: Path) -> None:
    def share(rank: int) -> float:
        loader = build(root, batch_size=11, rank=rank, world=2, num_workers=0, mixup=True)
        labels = batches(loader)[0][1]
        return float(labels[(labels > 0).sum(axis=1) == 2].max())

    assert share(0) != share(1)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_an_epoch_can_be_left_and_another_begun(root: Path, loaders: list[Loader], num_workers: int) -> None:
    loaders.append(build(root, batch_size=2, num_workers=num_workers))
    expected = batches(build(root, batch_size=2, num_workers=0), 1)
    left = loaders[0].epoch(0)
    next(left)
    assert_same(batches(loaders[0], 1), expected)
    with pytest.raises(RuntimeError, match="abandoned"):
        next(left)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_corrupt_image_ends_the_epoch_by_name(root: Path, loaders: list[Loader], num_workers: int) -> None:
    (root / "class1/04.png").write_bytes(b"broken")
    loaders.append(build(root, num_workers=num_workers))
    with pytest.raises(DataError, match="class1/04.png: no image: 6 bytes starting with"):
        batches(loaders[0])


@pytest.mark.parametrize("num_workers", [0, 2])
def test_corrupt_images_can_be_left_out(root: Path, loaders: list[Loader], num_workers: int) -> None:
    whole = np.concatenate([batch.images for batch in build(root, num_workers=0).epoch(0)])
    (root / "class0/00.png").write_bytes(b"")  # the first, from which the size of images is taken
    (root / "class1/04.png").write_bytes(b"broken")
    loaders.append(build(root, num_workers=num_workers, skip_corrupt=True))
    got = np.concatenate([batch.images for batch in loaders[0].epoch(0)])
    assert sorted(message.split(": ")[0] for message in loaders[0].skipped) == [
        str(root / "class0/00.png"),
        str(root / "class1/04.png"),
    ]
    rows = [row.tobytes() for row in whole]
    places = [rows.index(row.tobytes()) for row in got]
    assert len(got) == IMAGES - 2 and places == sorted(places)


def test_a_batch_without_any_image_left_is_dropped_from_an_evaluation_but_ends_training(root: Path) -> None:
    for path in root.glob("class[01]/*.png"):
        path.write_bytes(b"broken")
    loader = build(root, batch_size=1, num_workers=0, skip_corrupt=True, exact=True)
    assert {int(batch.labels[0]) for batch in loader.epoch(0)} == {2}
    assert len(loader.skipped) == 15
    with pytest.raises(DataError, match="a training batch has no image left"):
        batches(build(root, batch_size=1, num_workers=0, skip_corrupt=True))
    for path in root.glob("class2/*.png"):
        path.write_bytes(b"broken")
    with pytest.raises(DataError, match="none of 22 images can be decoded"):
        batches(build(root, num_workers=0, skip_corrupt=True))


@pytest.mark.parametrize("num_workers", [0, 2])
def test_images_of_two_sizes_are_refused(root: Path, loaders: list[Loader], num_workers: int) -> None:
    cv2.imwrite(str(root / "class1/07.png"), np.zeros((10, 12, 3), np.uint8))
    loaders.append(build(root, ops=(), num_workers=num_workers))
    message = "class1/07.png: all images must have one size; received 12 x 10 where others are 30 x 20; add Resize"
    with pytest.raises(DataError, match=message):
        batches(loaders[0])
    loaders.append(build(root, ops=(CropImage(16),), num_workers=num_workers))
    with pytest.raises(DataError, match="class1/07.png: CropImage: the crop of 16 x 16 is larger"):
        batches(loaders[1])


@pytest.mark.parametrize("use_shared_memory", [True, False])
def test_a_killed_worker_is_reported_and_the_loader_can_start_again(
    root: Path, loaders: list[Loader], use_shared_memory: bool
) -> None:
    loaders.append(build(root, batch_size=1, num_workers=2, use_shared_memory=use_shared_memory))
    batches(loaders[0])
    pids = workers_of(loaders[0])
    os.kill(pids[0], signal.SIGKILL)
    start = time.monotonic()
    with pytest.raises(TrainingError, match=rf"\(process {pids[0]}\); received signal 9; often memory ran out"):
        for epoch in range(100):
            batches(loaders[0], epoch)
    assert time.monotonic() - start < 5
    assert not any(map(alive, pids))
    assert len(batches(loaders[0])) == IMAGES


def test_workers_stay_between_epochs_and_end_with_the_loader(root: Path, loaders: list[Loader]) -> None:
    loader = build(root, num_workers=2)
    batches(loader)
    pids = workers_of(loader)
    batches(loader, 1)
    assert workers_of(loader) == pids and all(map(alive, pids))
    left = loader.epoch(2)
    next(left)
    loader.close()
    assert not any(map(alive, pids))
    with pytest.raises(RuntimeError, match="abandoned"):
        next(left)
    forgotten = build(root, num_workers=1)
    batches(forgotten)
    pids = workers_of(forgotten)
    del forgotten
    gc.collect()
    assert not any(map(alive, pids))


def test_workers_do_without_paddle(root: Path, loaders: list[Loader]) -> None:
    loaders.append(build(root, num_workers=1))
    batches(loaders[0])
    maps = Path(f"/proc/{workers_of(loaders[0])[0]}/maps")
    if not maps.exists():
        pytest.skip("needs /proc")
    assert "paddle" not in maps.read_text()


INTERRUPTED = """
import sys
sys.path[:0] = {path!r}
from test_loader import build, workers_of
from pathlib import Path
loader = build(Path({root!r}), num_workers=2)
for epoch in range(10**9):
    for batch in loader.epoch(epoch):
        if epoch == 3:
            print(*workers_of(loader), flush=True)
"""


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_whatever_ends_the_run_nothing_is_left(root: Path, signal_number: int) -> None:
    before = set(os.listdir("/dev/shm")) if os.path.isdir("/dev/shm") else set()
    script = INTERRUPTED.format(path=[str(REPO), str(Path(__file__).parent)], root=str(root))
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        pids = [int(pid) for pid in run.stdout.readline().split()]
        assert len(pids) == 2
        run.send_signal(signal_number)
        errors = run.communicate(timeout=20)[1]
    assert errors.count("Traceback") == (1 if signal_number == signal.SIGINT else 0)  # the run's own
    deadline = time.monotonic() + 5
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, pids))
    if before:
        assert not {name for name in set(os.listdir("/dev/shm")) - before if "ppcls" in name or "psm" in name}


def test_a_negative_number_of_workers_is_refused(root: Path) -> None:
    with pytest.raises(ValueError, match="num_workers: must not be negative; received -1"):
        build(root, num_workers=-1)
