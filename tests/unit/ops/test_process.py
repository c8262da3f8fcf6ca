"""Threads, forks and memory of a process that computes with the operators."""

import os
import resource
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from ppcls.ops.operators import OneDNN, run

REPO = Path(__file__).resolve().parents[3]
START = """
import os, resource
from ppcls import environment
environment.prepare()
import numpy as np, paddle
from ppcls.ops.operators import OneDNN, run
OneDNN()
x, w = paddle.ones([2, 16, 16, 32]), paddle.ones([32, 32, 3, 3])
"""


def printed(code: str, *, threads: int = 2) -> str:
    """Return the last line that `code` prints in a process with so many threads for operators."""
    environment = {**os.environ, "PYTHONPATH": str(REPO), "MKL_NUM_THREADS": str(threads)}
    command = [sys.executable, "-c", START + code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout.splitlines()[-1]


NUM_THREADS = """
before = len(os.listdir("/proc/self/task"))
run("convolution", x, w, [1] * 8, 1, True)
print(len(os.listdir("/proc/self/task")) - before)
"""


@pytest.mark.parametrize("count", [1, 3])
def test_onednn_itself_takes_the_threads_that_it_is_given(onednn: OneDNN, count: int) -> None:
    assert printed(NUM_THREADS, threads=count) == str(count - 1)  # the one that calls computes too


BESIDE_PADDLE_INFERENCE = """
import ctypes
from ppcls import Predictor
run("convolution", x, w, [1] * 8, 1, True)
Predictor({exported!r}, engine="paddle")  # as an export does, to verify it
run("convolution", x, w, [1] * 8, 1, True)
openmp = next(line.split()[-1] for line in open("/proc/self/maps") if "libiomp5" in line)
print(ctypes.CDLL(openmp).omp_get_max_threads())
"""


def test_a_model_that_paddle_inference_loads_takes_no_threads_away(onednn: OneDNN, exported: Path) -> None:
    assert printed(BESIDE_PADDLE_INFERENCE.format(exported=str(exported))) == "2"


FORKED = """
before, = run("convolution", x, w, [1] * 8, 1, True)
expected = before.numpy()
child = os.fork()
if child == 0:
    after, = run("convolution", x, w, [1] * 8, 1, True)
    os._exit(0 if np.array_equal(after, expected) and np.array_equal(before, expected) else 1)
print(os.waitpid(child, 0)[1])
"""


def test_a_forked_child_computes_alone_instead_of_waiting_for_threads_that_are_not_there(onednn: OneDNN) -> None:
    assert printed(FORKED) == "0"


FREED_BEFORE_FORK = """
def resident_mib():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20

images = paddle.ones([64, 3, 512, 512])
before = resident_mib()
run("channels_last", images, False)
held = resident_mib()
child = os.fork()
if child == 0:
    os._exit(0)
os.waitpid(child, 0)
print(held - before > 150, resident_mib() - before < 50)
"""


def test_a_forked_child_does_not_share_memory_that_nobody_needs(onednn: OneDNN) -> None:
    assert printed(FREED_BEFORE_FORK) == "True True"


LIMITED = """
images = paddle.ones([1024, 32, 16, 16])
limit = int(open("/proc/self/statm").read().split()[0]) * os.sysconf("SC_PAGE_SIZE") + (1 << 30)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
kept = []
try:
    for _ in range(100):
        kept += run("channels_last", images, False)
except OSError as error:
    print(len(kept) > 4, str(error).partition("no memory for ")[2].splitlines()[0])
"""


def test_too_little_memory_is_said_with_what_it_was_for(onednn: OneDNN) -> None:
    assert printed(LIMITED) == "True 32 MiB, a result of the shape [1024, 16, 16, 32]"


def test_computing_again_takes_no_new_pages(onednn: OneDNN) -> None:
    x, weight = paddle.ones([4, 64, 64, 256]), paddle.ones([256, 256, 1, 1])  # 16 MiB, 4096 pages

    def faults() -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(4):
            (y,) = run("convolution", x, weight, [1, 1, 0, 0, 0, 0, 1, 1], 1, True)
            run("branch", y)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    faults()
    assert faults() < 1000


def test_results_keep_their_contents_while_others_come_and_go(onednn: OneDNN) -> None:
    spoilt: list[Any] = []

    def compute(seed: int) -> None:
        chance = np.random.default_rng(seed)
        kept: list[tuple[paddle.Tensor, float]] = []
        for _ in range(300):
            value = float(chance.random(dtype="float32"))
            (result,) = run("channels_last", paddle.full([1, 3, *chance.integers(1, 200, 2).tolist()], value), False)
            kept.append((result, value))
            chance.shuffle(kept)
            gone = [kept.pop() for _ in range(chance.integers(len(kept))) if len(kept) > 20]
            spoilt.extend(value for result, value in gone if not bool((result == value).all()))

    threads = [threading.Thread(target=compute, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not spoilt
