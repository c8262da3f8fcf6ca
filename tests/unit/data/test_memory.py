"""Memory for batches: what is left is known, and too little is told before the workers start."""

import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from ppcls.data.loader.memory import available_bytes, limit_bytes

REPO = Path(__file__).resolve().parents[3]
MACHINE = {"proc/meminfo": "MemTotal:  9000 kB\nMemAvailable:  4000 kB\n"}
STAT = "anon 300000\n{} 100000\n"


@pytest.mark.parametrize(
    ("files", "limit", "expected"),
    [
        ({}, sys.maxsize, sys.maxsize),
        (MACHINE, sys.maxsize, 4000 * 1024),
        (
            {
                "proc/self/cgroup": "0::/\n",
                "sys/fs/cgroup/memory.max": "1000000\n",
                "sys/fs/cgroup/memory.current": "400000\n",
                "sys/fs/cgroup/memory.stat": STAT.format("inactive_file"),
            },
            1000000,
            1000000 - (400000 - 100000),
        ),
        (
            {
                "proc/self/cgroup": "0::/user.slice/run\n",
                "sys/fs/cgroup/user.slice/run/memory.max": "max\n",
                "sys/fs/cgroup/user.slice/run/memory.current": "400000\n",
            },
            sys.maxsize,
            4000 * 1024,
        ),
        (
            {
                "proc/self/cgroup": "4:memory:/docker/12\n0::/\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "500000\n",
                "sys/fs/cgroup/memory/memory.usage_in_bytes": "400000\n",
                "sys/fs/cgroup/memory/memory.stat": STAT.format("total_inactive_file"),
            },
            500000,
            500000 - (400000 - 100000),
        ),
    ],
    ids=["unknown", "machine", "container", "no limit", "older container"],
)
def test_what_is_left_is_the_least_of_the_machine_and_the_container(
    tmp_path: Path, files: dict[str, str], limit: int, expected: int
) -> None:
    for path, text in ({**MACHINE, **files} if files else {}).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    assert (limit_bytes(tmp_path), available_bytes(tmp_path)) == (limit, expected)


LIMITED = """
import resource, sys
sys.path.insert(0, {repo!r})
from pathlib import Path
from ppcls.data.sources.folders import ImageFolder
from ppcls.data.loader.loader import Loader
from ppcls.data.samplers.base import Batching, BatchSampler
from ppcls.errors import TrainingError
from ppcls.images.pipeline import Pipeline
from ppcls.images.transforms.geometry import ResizeImage
dataset = ImageFolder(Pipeline([ResizeImage(1000)]), 1, image_root={root!r})
sampler = BatchSampler(dataset.labels, 0, 0, 1, False, Batching(batch_size={batch_size}))
if {batch_size} < 100:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (64 << 20),) * 2)
try:
    next(Loader(dataset, sampler, [], 0, num_workers={num_workers}, use_shared_memory={shared}).epoch(0))
except TrainingError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("batch_size", "size", "received"),
    [(20, "(720|960)", "'Cannot allocate memory'"), (10**6, "36,000,000", r"[\d,]+ MB that are free")],
)
@pytest.mark.parametrize(("num_workers", "shared"), [(0, True), (2, True), (2, False)])
def test_too_little_memory_for_batches_is_told_with_what_they_need(
    tmp_path: Path, num_workers: int, shared: bool, batch_size: int, size: str, received: str
) -> None:
    if not Path("/proc/self/statm").exists():
        pytest.skip("needs /proc")
    (tmp_path / "a").mkdir()
    cv2.imwrite(str(tmp_path / "a/a.png"), np.zeros((9, 9, 3), np.uint8))
    script = LIMITED.format(
        repo=str(REPO), root=str(tmp_path), batch_size=batch_size, num_workers=num_workers, shared=shared
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stderr, done.returncode) == ("", 0)
    expected = f"data loader: batches need {size} MB of memory; received {received}; lower batch_size, or give the mach"
    assert re.match(expected, done.stdout)
