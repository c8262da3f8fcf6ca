"""What a run wrote, for tests to look at."""

import json
from typing import Any, Callable

import numpy as np

from ppcls.engine.engine import Engine

# Of the fixture `make`.
MakeEngine = Callable[..., Engine]


def trained(engine: Engine) -> Engine:
    engine.train()
    return engine


def records(engine: Engine, phase: str) -> list[dict[str, Any]]:
    """Return what `metrics.jsonl` says of a phase, without the speeds."""
    lines = (engine.folder / "metrics.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    return [{name: value for name, value in one.items() if name != "ips"} for one in found if one["phase"] == phase]


def losses(engine: Engine) -> list[float]:
    return [record["loss"] for record in records(engine, "train")]


def same_arrays(left: Any, right: Any) -> bool:
    """Return whether two mappings, of mappings, hold the same arrays bit for bit."""
    if isinstance(left, np.ndarray):
        return left.dtype == right.dtype and bool(np.array_equal(left, right))
    return left.keys() == right.keys() and all(same_arrays(left[name], right[name]) for name in left)
