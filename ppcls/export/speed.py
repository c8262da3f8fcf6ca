"""How long architectures take for one image on this machine's CPU: measured once, then remembered."""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Callable

import numpy as np
import paddle

from ppcls import download, environment
from ppcls.errors import CheckpointError
from ppcls.export.graph import Scores, static
from ppcls.files import write_text
from ppcls.inference.artifact import MODEL, WEIGHTS
from ppcls.inference.runtimes import Settings, load
from ppcls.models import ARCHITECTURES
from ppcls.models.cards import size_of

FILE = "milliseconds.json"
NUM_RUNS, SECONDS = 20, 0.5  # of a measurement: at least the one, at most the other
# Winograd's form of a 3x3 convolution takes the fewest multiply-adds of all in use.
# Source: https://arxiv.org/abs/1509.09308, section 4.1.
FEWER_BY_WINOGRAD = 2.25


def milliseconds(names: Iterable[str], max_ms: float) -> dict[str, float]:
    """Return the median time of a batch of one, exported and run by Paddle Inference, for each architecture.

    Those whose arithmetic alone takes longer than `max_ms` are not run, and are missing. `$PPCLS_HOME/timings` keeps
    the times, by machine; initial weights do, as numbers don't change them. What is measured now stands on stderr.
    """
    file = download.folder("timings", CheckpointError) / FILE
    times: dict[str, dict[str, float]] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    known = times.setdefault(_machine(), {})
    names = list(names)
    new = sorted((name for name in names if name not in known), key=lambda name: size_of(name).multiply_adds)
    flops_limit = max_ms / 1000 * FEWER_BY_WINOGRAD * _flops_per_second() if new else 0
    new = [name for name in new if size_of(name).flops <= flops_limit]
    for number, name in enumerate(new, start=1):
        known[name] = round(_time(name), 3)
        print(f"{number} of {len(new)}: {name} takes {known[name]:.2f} ms", file=sys.stderr)
        write_text(file, json.dumps(times, indent=1))
    return {name: known[name] for name in names if name in known}


def _time(name: str) -> float:
    """Return the milliseconds of one image."""
    model = ARCHITECTURES.load(name)()
    model.eval()
    graph = Scores(model.deployable(), "none")
    graph.eval()
    side = size_of(name).image_px
    with tempfile.TemporaryDirectory() as folder:
        paddle.jit.save(static(graph, (3, side, side)), f"{folder}/inference")
        settings = Settings(threads=environment.physical_cores())
        runtime = load("paddle", Path(folder, MODEL), Path(folder, WEIGHTS), settings)
    image = np.zeros((1, 3, side, side), "float32")
    return _median_ms(lambda: runtime.scores(image))


def _median_ms(run: Callable[[], Any]) -> float:
    for _ in range(3):
        run()
    taken: list[float] = []
    while len(taken) < NUM_RUNS and sum(taken) < SECONDS:
        started = time.perf_counter()
        run()
        taken.append(time.perf_counter() - started)
    return 1000 * statistics.median(taken)


def _flops_per_second() -> float:
    """Return the most that this machine does: what it does in a product of large matrices."""
    side = 1024
    matrix = np.ones((side, side), "float32")
    return 2 * side**3 / (_median_ms(lambda: matrix @ matrix) / 1000)


def _machine() -> str:
    """Return what the times depend on: processor, threads and Paddle."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "CPU")
    return f"{model}, {environment.physical_cores()} thread(s), Paddle {paddle.__version__}"
