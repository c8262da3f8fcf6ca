"""How long each transform takes on an image of 224x224, on one thread.

    python benchmarks/transforms.py

The arguments are those of docs/gallery.py. In a reading process one image of ImageNet takes about a millisecond to
decode and crop, so that a transform that takes longer halves its speed.
"""

import sys
import time
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "docs"))

from gallery import FRAME, built, square
from prettytable import PrettyTable

from ppcls.images import TRANSFORMS

DRAWS = 300


def main() -> None:
    cv2.setNumThreads(0)
    image = square(0)
    table = PrettyTable(["transform", "p50 ms", "p95 ms"], align="r")
    for name in TRANSFORMS.names():
        if name in FRAME:
            continue
        op, seconds = built(TRANSFORMS, name), []
        for seed in range(DRAWS):
            rng = np.random.default_rng(seed)
            started = time.perf_counter()
            op(image, rng)
            seconds.append(time.perf_counter() - started)
        table.add_row([name, *(f"{1000 * value:.3f}" for value in np.percentile(seconds, [50, 95]))])
    print(table)


if __name__ == "__main__":
    main()
