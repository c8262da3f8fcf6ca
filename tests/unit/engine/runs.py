"""What a run wrote, for tests to look at."""

import json
from pathlib import Path
from typing import Any, Callable

import numpy as np

from ppcls.engine.checkpoints import Checkpoint
from ppcls.engine.engine import Engine

# What differs between two runs of the same numbers.
TIMES = ("ips", "batch_seconds", "data_wait", "eta_seconds")

# Of the fixture `make`.
MakeEngine = Callable[..., Engine]


def trained(engine: Engine) -> Engine:
    engine.train()
    return engine


def records_in(folder: Path) -> list[dict[str, Any]]:
    """Return what `metrics.jsonl` says, without the times."""
    found = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in one.items() if name not in TIMES} for one in found]


def records(engine: Engine, phase: str) -> list[dict[str, Any]]:
    """Return what the run's `metrics.jsonl` says of a phase."""
    return [record for record in records_in(engine.folder) if record["phase"] == phase]


def losses(engine: Engine) -> list[float]:
    return [record["loss"] for record in records(engine, "train")]


def numbers(saved: Checkpoint) -> dict[str, Any]:
    """Return the states of a checkpoint without what tells of files."""
    return {name: value for name, value in saved.states.items() if name not in ("sha256", "config")}


def same_arrays(left: Any, right: Any) -> bool:
    """Return whether two mappings, of mappings, hold the same arrays bit for bit."""
    if isinstance(left, np.ndarray):
        return left.dtype == right.dtype and bool(np.array_equal(left, right))
    return left.keys() == right.keys() and all(same_arrays(left[name], right[name]) for name in left)
