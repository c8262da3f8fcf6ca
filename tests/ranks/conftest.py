"""Images, a small config and a way to run the launcher, for tests with several processes."""

import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from launches import LAUNCHER, PADDLE_LAUNCHER, REPO, SMALL_CONFIG, Launch, Run


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """The environment of child processes: one thread each, as there are more of them than cores."""
    added = {
        "PYTHONPATH": str(REPO),
        "MKL_NUM_THREADS": "1",
        "GLOG_minloglevel": "2",
        "PYTHONWARNINGS": "ignore:No ccache found:UserWarning",
    }
    return {**os.environ, **added}


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 160 training and 9 held-back images in 4 class folders each."""
    root, rng = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    for split, count in (("train", 160), ("val", 9)):
        for index in range(count):
            image = cv2.resize(rng.integers(0, 256, (8, 8, 3), dtype="uint8"), (40, 40))
            image[..., index % 3] //= 1 + index % 4
            file = root / split / f"class{index % 4}" / f"{index}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(file), image)
    return root


@pytest.fixture(scope="session")
def config(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A config file of a small training."""
    file = tmp_path_factory.mktemp("config") / "small.yaml"
    file.write_text(SMALL_CONFIG.format(repo=REPO, images=images))
    return file


@pytest.fixture
def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def launch(tmp_path: Path, environment: dict[str, str]) -> Iterator[Launch]:
    """Start a script, by default our launcher, in a folder of its own; what is left of it ends with the test."""
    runs: list[Run] = []

    def start(*words: str, script: str = LAUNCHER, folder: Path = tmp_path, machine: str = "") -> Run:
        folder.mkdir(exist_ok=True)
        there = ("ip", "netns", "exec", machine) if machine else ()
        module = ("-m",) if script == PADDLE_LAUNCHER else ()
        runs.append(Run(folder, environment, (*there, sys.executable, *module, script, *words)))
        return runs[-1]

    yield start
    for run in runs:
        for process in (*run.ranks().values(), run.process.pid):
            if run.process.poll() is None or process != run.process.pid:
                os.kill(process, signal.SIGKILL)
        run.process.wait()
