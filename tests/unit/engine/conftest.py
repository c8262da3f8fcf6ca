import logging
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from runs import MakeEngine

from ppcls.config import load_config
from ppcls.engine import log
from ppcls.engine.engine import Engine
from ppcls.models import ARCHITECTURES


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let configs name the architectures of tiny.py."""
    for name in ("Tiny", "Branched"):
        monkeypatch.setitem(ARCHITECTURES.module_of, name, "tiny")


@pytest.fixture(autouse=True)
def closed_log() -> Iterator[None]:
    """Close the log file of each test's run."""
    yield
    log.close_log(logging.getLogger("ppcls"))


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """Let SIGTERM end this process again, after the runs that it has ended."""
    yield
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


@pytest.fixture
def make(shapes_yaml: str, tmp_path: Path) -> MakeEngine:
    """Return what makes an engine of a run on `shapes`: of `Arch.name`, writing to `tmp_path/run`, with options."""

    def engine(arch: str, run: str = "run", *options: str) -> Engine:
        return Engine(load_config(shapes_yaml, [f"Arch.name={arch}", f"Global.output_dir={tmp_path / run}", *options]))

    return engine
