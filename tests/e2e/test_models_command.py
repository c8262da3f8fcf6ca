"""`ppcls models`: from the tables alone, or with times of this machine."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import ppcls
from ppcls.cli import main
from ppcls.export import speed


def test_the_table_has_a_row_for_each_of_the_weights(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "resnet50_v?"]) == 0
    lines = capsys.readouterr().out.splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    assert cells[0] == ["name", "parameters", "GFLOPs", "input", "weights", "top-1", "licence", "source"]
    size = ["25.58 M", "8.66", "224 px"]
    assert cells[1] == ["ResNet50_vc", *size, "default", "0.7835", "Apache-2.0", "PaddleClas"]
    assert cells[3] == ["ResNet50_vd", *size, "ssld", "0.8300", "Apache-2.0", "PaddleClas"]
    assert len(cells) == 4


def test_json_gives_every_fact(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "CLIP_vit_base_patch32_224", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["name"], found["image_px"], found["flops"]) == (
        "CLIP_vit_base_patch32_224",
        224,
        2 * found["multiply_adds"],
    )
    (card,) = found["weights"]
    assert card["url"].endswith("/foundation_models/CLIP_vit_base_patch32_224.pdparams")
    assert (card["labels"], card["top1"], card["licence"], card["source"]) == (None, None, "MIT", "OpenAI")


def test_it_answers_without_loading_paddle_or_numpy() -> None:
    code = "import sys; from ppcls.cli import main; main(['models']); print({'paddle', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines[-1] == "set()"
    assert sum(line.startswith("| ") for line in lines) > len(ppcls.list_models())


def test_models_with_weights_are_listed() -> None:
    assert ppcls.list_models("VGG19*") == ["VGG19", "VGG19Sigmoid"]
    assert ppcls.list_models("VGG19*", pretrained=True) == ["VGG19"]


@pytest.mark.parametrize("arguments", [["nothing*"], ["VGG19S*", "--pretrained"]])
def test_a_pattern_without_a_match_is_told(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", *arguments]) == 2
    assert capsys.readouterr().err.startswith("PATTERN: no architecture")


def test_candidates_are_timed_once_and_those_that_cannot_do_it_never(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PPCLS_HOME", str(tmp_path))
    monkeypatch.setattr(speed, "_flops_per_second", lambda: 1e9)  # a slow machine: 1 s allows 2.25 GFLOPs
    arguments = ["models", "PPLCNet_x0_[23]5", "--max-ms", "1000", "--json"]
    assert main(arguments) == 0
    first, errors = capsys.readouterr()
    assert errors.startswith("1 of 2: PPLCNet_x0_25 takes ") and len(errors.splitlines()) == 2
    times = {found["name"]: found["ms"] for found in json.loads(first)}
    assert list(times.values()) == sorted(times.values()) and all(0 < ms < 1000 for ms in times.values())
    assert main(arguments) == 0
    assert capsys.readouterr() == (first, "")
    assert ppcls.list_models("PPLCNet_x0_25", max_ms=times["PPLCNet_x0_25"] / 2) == []
    assert ppcls.list_models("[pr]*5*", pretrained=True, max_ms=0.1) == []
    assert capsys.readouterr().err == ""
