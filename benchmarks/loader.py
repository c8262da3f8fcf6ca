"""How fast the loader is beside bare OpenCV calls, in as many processes.

    python benchmarks/loader.py FOLDER [--num_workers 2] [--batch_size 64] [--rounds 5]

Both read, decode, crop at random to 224, flip and normalize every picture below FOLDER, in turns; the bare
calls throw their images away, while the loader delivers batches. Prints medians in images a second.
"""

import argparse
import multiprocessing
import os
import random
import statistics
import sys
import time
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ppcls.data.dataset import LabelledPictures
from ppcls.data.loader import Loader
from ppcls.data.sampler import BatchSampler
from ppcls.transforms.compose import Pipeline
from ppcls.transforms.geometry import RandCropImage, RandFlipImage
from ppcls.transforms.layout import NormalizeImage


def bare_calls(paths: list[str]) -> None:
    """Do with each picture what the loader does, with nothing around it."""
    cv2.setNumThreads(0)
    scale = np.float32([1 / 255 / 0.229, 1 / 255 / 0.224, 1 / 255 / 0.225])
    shift = np.float32([-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225])
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
        planes = np.empty((3, 224, 224), np.float32)
        for channel in range(3):
            np.multiply(image[..., channel], scale[channel], out=planes[channel])
            planes[channel] += shift[channel]


def time_bare(pool: "multiprocessing.pool.Pool", paths: list[str], batch_size: int) -> float:
    start = time.perf_counter()
    pool.map(bare_calls, [paths[place : place + batch_size] for place in range(0, len(paths), batch_size)], 1)
    return len(paths) / (time.perf_counter() - start)


def time_loader(loader: Loader, epoch: int) -> float:
    start = time.perf_counter()
    count = sum(len(images) for images, _ in loader.epoch(epoch))
    return count / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--num_workers", type=int, default=2)
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    files = sorted(str(path) for path in Path(args.folder).rglob("*") if path.suffix.lower() in (".jpeg", ".jpg"))
    dataset = LabelledPictures(
        Pipeline([RandCropImage(224), RandFlipImage(), NormalizeImage()]),
        image_root="",
        paths=files * max(1, 2000 // len(files)),
        labels=np.zeros(len(files) * max(1, 2000 // len(files)), np.int64),
        skip_corrupt=False,
    )
    sampler = BatchSampler(dataset.labels, 0, 0, 1, False, batch_size=args.batch_size)
    loader = Loader(dataset, sampler, [], 0, num_workers=args.num_workers)
    paths = [dataset.where(index) for index in range(len(dataset))]
    with multiprocessing.Pool(args.num_workers) as pool:
        time_bare(pool, paths, args.batch_size), time_loader(loader, 0)  # start both
        rounds = [(time_bare(pool, paths, args.batch_size), time_loader(loader, epoch)) for epoch in range(args.rounds)]
    loader.close()
    bare, loaded = (statistics.median(column) for column in zip(*rounds))
    ratio = statistics.median(loaded / bare for bare, loaded in rounds)
    print(f"{len(dataset)} pictures, {args.num_workers} workers, {os.cpu_count()} cores, images a second")
    print(f"bare OpenCV {bare:8.0f}\nloader      {loaded:8.0f}\nratio       {ratio:8.2f}")


if __name__ == "__main__":
    main()
