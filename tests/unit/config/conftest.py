"""`golden(name, text)` holds `text` to tests/golden/`name`; REGENERATE_GOLDEN=1 writes it instead."""

import os
from pathlib import Path
from typing import Callable

import pytest

GOLDEN = Path(__file__).resolve().parents[2] / "golden"


@pytest.fixture(scope="session")
def golden() -> Callable[[str, str], None]:
    def check(name: str, text: str) -> None:
        file = GOLDEN / name
        if os.environ.get("REGENERATE_GOLDEN") == "1":
            file.write_text(text, encoding="utf-8")
        assert text == file.read_text(encoding="utf-8"), f"{file} is out of date: run `make golden`, read the diff"

    return check
