"""The search for a learning rate."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from runs import MakeEngine

from ppcls.cli import main
from ppcls.engine import lr_finder


def test_the_rate_rises_by_one_factor_until_the_loss_is_too_high(make: MakeEngine) -> None:
    found = lr_finder.find(make("Tiny"), 1e-3, 1e4, 60)
    ratios = [high / low for low, high in zip(found.rates, found.rates[1:])]
    assert found.rates[0] == pytest.approx(1e-3) and ratios == pytest.approx([ratios[0]] * len(ratios))
    assert len(found.rates) < 60  # as 1e4 is too high for anything
    assert found.rates[0] / 10 <= found.suggested < found.rates[-1]


def test_the_command_writes_the_curve_and_no_run(
    shapes_yaml: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["lr", "-c", shapes_yaml, "-o", "Arch.name=Tiny", "--steps", "12", "--out", str(tmp_path / "curves")]
    assert main(words) == 0
    assert "-o Optimizer.lr.learning_rate=" in capsys.readouterr().out
    assert len((tmp_path / "curves" / "lr.csv").read_text().splitlines()) <= 13
    assert ET.parse(tmp_path / "curves" / "lr.svg").getroot().tag.endswith("svg")
    assert not (tmp_path / "output").exists()
    assert main([*words, "--first", "2"]) == 2
