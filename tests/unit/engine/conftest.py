import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest

from ppcls.config import load_config
from ppcls.engine.engine import Engine
from ppcls.registry import ARCHITECTURES
from ppcls.run import log

MakeEngine = Callable[..., Engine]


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let configs name the architecture of tiny.py."""
    monkeypatch.setitem(ARCHITECTURES.module_of, "Tiny", "tiny")


@pytest.fixture(autouse=True)
def closed_log() -> Iterator[None]:
    """Close the log file of each test's run."""
    yield
    log.close_log(logging.getLogger("ppcls"))


@pytest.fixture
def make(shapes_yaml: str, tmp_path: Path) -> MakeEngine:
    """Return what makes an engine of a run on `shapes`: of `Arch.name`, writing to `tmp_path/run`, with options."""

    def engine(arch: str, run: str = "run", *options: str) -> Engine:
        return Engine(load_config(shapes_yaml, [f"Arch.name={arch}", f"Global.output_dir={tmp_path / run}", *options]))

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
