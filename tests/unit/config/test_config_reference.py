"""docs/configs.md is what the code says."""

from pathlib import Path

from ppcls.config.reference import reference


def test_the_reference_page_is_current() -> None:
    page = Path(__file__).resolve().parents[3] / "docs/configs.md"
    assert page.read_text(encoding="utf-8") == reference(), "run `make docs`"
