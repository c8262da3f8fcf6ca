"""How fast the loader is beside bare OpenCV calls in as many processes, and beside torchvision where it is installed.

    python benchmarks/loader.py FOLDER [--num_workers 2] [--batch_size 64] [--rounds 5] [--step_ms 300]

All read, decode, crop at random to 224, flip and normalize every image below FOLDER, in turns. The bare calls throw
their images away, while the loaders deliver batches. Prints medians in images a second. Then the loader feeds steps of
`step_ms`, in which this process sleeps, and it prints how much of them went into waiting for and finishing batches.
"""

import argparse
import importlib.util
import math
import multiprocessing
import os
import random
import statistics
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Callable

import cv2
import numpy as np
from prettytable import PrettyTable

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ppcls.data.loader.loader import Loader
from ppcls.data.loader.pool import ENVIRONMENT
from ppcls.data.samplers.base import BatchSampler
from ppcls.data.sources.base import ImageFiles
from ppcls.images import TRANSFORMS
from ppcls.images.pipeline import Pipeline

LEAST_IMAGES = 4000
LEVELS = np.arange(256, dtype=np.float32) / np.float32(255)
TABLES = [((LEVELS - m) / s).reshape(1, 256) for m, s in ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))]


def bare_calls(paths: list[str]) -> int:
    """Do with each image what the loader does, by the same calls, with nothing around them."""
    cv2.setNumThreads(0)
    channels = np.empty((3, 224, 224), np.uint8)
    planes = np.empty((3, 224, 224), np.float32)
    for path in paths:
        with open(path, "rb") as file:
            image = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_COLOR_RGB)
        height, width = image.shape[:2]
        aspect = random.uniform(3 / 4, 4 / 3)
        area = width * height * random.uniform(0.08, 1) * min(1, width / height / aspect, height / width * aspect)
        crop_width, crop_height = int((area * aspect) ** 0.5), int((area / aspect) ** 0.5)
        left, top = random.randint(0, width - crop_width), random.randint(0, height - crop_height)
        image = cv2.resize(image[top : top + crop_height, left : left + crop_width], (224, 224))
        if random.random() < 0.5:
            image = cv2.flip(image, 1)
        cv2.split(image, list(channels))
        for channel, table, plane in zip(channels, TABLES, planes):
            cv2.LUT(channel, table, dst=plane)
    return len(paths)


def ppcls_loader(files: list[str], num_workers: int, batch_size: int) -> Loader:
    crop, flip, normalize = map(TRANSFORMS.load, ("RandCropImage", "RandFlipImage", "NormalizeImage"))
    dataset = ImageFiles(
        Pipeline([crop(224), flip(), normalize()]), image_root="", paths=files, labels=np.zeros(len(files), np.int64)
    )
    sampler = BatchSampler(dataset.labels, 0, 0, 1, False, batch_size=batch_size)
    return Loader(dataset, sampler, [], 0, num_workers=num_workers)


class TorchvisionImages:
    """The images through torchvision's transforms, as its own ImageFolder reads them."""

    def __init__(self, files: list[str]) -> None:
        from torchvision import transforms

        self._files = files
        self._transform = transforms.Compose(
            [
                transforms.RandomResizedCrop(224),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
            ]
        )

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        from PIL import Image

        with Image.open(self._files[index]) as image:
            return self._transform(image.convert("RGB")), 0


def torch_loader(files: list[str], num_workers: int, batch_size: int) -> Any:
    from torch.utils.data import DataLoader

    return DataLoader(
        TorchvisionImages(files),
        batch_size,
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
        worker_init_fn=lambda _: os.setsid(),
    )


def speed(batches: Callable[[], Iterable[int]]) -> float:
    """Return images a second."""
    start = time.perf_counter()
    return sum(batches()) / (time.perf_counter() - start)


def waiting(loader: Loader, step_seconds: float) -> tuple[float, float]:
    """Return milliseconds a batch of waiting and finishing, and their share of steps that long."""
    waited = []
    start = time.perf_counter()
    for _ in loader.epoch(0):
        waited.append(time.perf_counter() - start)
        time.sleep(step_seconds)
        start = time.perf_counter()
    # The first batches come before the workers had time to run ahead.
    mean = statistics.mean(waited[2:])
    return 1000 * mean, mean / (mean + step_seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--num_workers", type=int, default=2)
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--step_ms", type=float, default=300)
    args = parser.parse_args()
    files = sorted(str(path) for path in Path(args.folder).rglob("*") if path.suffix.lower() in (".jpeg", ".jpg"))
    files *= math.ceil(LEAST_IMAGES / len(files))
    parts = [files[place : place + args.batch_size] for place in range(0, len(files), args.batch_size)]
    loader = ppcls_loader(files, args.num_workers, args.batch_size)
    os.environ.update(ENVIRONMENT)  # the bare calls get what the loader gives its workers
    # All workers have a session each, as the loader's have: that is what Linux shares busy cores among.
    with multiprocessing.get_context("spawn").Pool(args.num_workers, os.setsid) as pool:
        ways: dict[str, Callable[[], Iterable[int]]] = {
            "bare OpenCV": lambda: pool.imap_unordered(bare_calls, parts),
            "ppcls": lambda: map(len, loader.epoch(0)),
        }
        if importlib.util.find_spec("torchvision"):
            torch = torch_loader(files, args.num_workers, args.batch_size)
            ways["torchvision"] = lambda: (len(images) for images, _ in torch)
        rounds = [{name: speed(batches) for name, batches in ways.items()} for _ in range(args.rounds + 1)][1:]
    table = PrettyTable(["", "images/s", "of bare OpenCV", "best"], align="r")
    for name in ways:
        speeds = [one[name] for one in rounds]
        share = statistics.median(one[name] / one["bare OpenCV"] for one in rounds)
        table.add_row([name, f"{statistics.median(speeds):.0f}", f"{share:.2f}", f"{max(speeds):.0f}"])
    print(f"{len(files)} images, {args.num_workers} workers, {os.cpu_count()} cores, batches of {args.batch_size}")
    print(table)
    milliseconds, share = waiting(loader, args.step_ms / 1000)
    print(f"the process that trains: {milliseconds:.1f} ms a batch, {share:.1%} of steps of {args.step_ms:.0f} ms")
    loader.close()


if __name__ == "__main__":
    main()
