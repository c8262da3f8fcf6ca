import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import pytest
from scripts import EXPORT, REPO, TRAIN, TRANSFORMS, Journey, run

from ppcls.engine import log


@pytest.fixture(autouse=True)
def closed_log() -> Iterator[None]:
    """Close what a command that ran in this process logs to."""
    yield
    log.close_log(logging.getLogger("ppcls"))


@pytest.fixture
def digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder `tmp_path/digits` with the images of the demo, in train/ and val/ by class."""
    pytest.importorskip("sklearn", reason="the images are scikit-learn's")
    monkeypatch.syspath_prepend(str(REPO / "examples"))
    from demo import write_images

    write_images(tmp_path / "digits")
    return tmp_path / "digits"


@pytest.fixture(scope="session")
def journey(write_shapes_yaml: Callable[[Path], str], tmp_path_factory: pytest.TempPathFactory) -> Journey:
    folder = tmp_path_factory.mktemp("user")
    write_shapes_yaml(folder)
    train = run(folder, TRAIN, Journey.config, "Global.epochs=3", TRANSFORMS)
    export = run(folder, EXPORT, Journey.config, Journey.best, TRANSFORMS)
    return Journey(folder, train, export)
