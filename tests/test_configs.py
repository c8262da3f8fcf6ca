"""The YAMLs of the project are sound, and each is a note that says what to expect of it."""

from pathlib import Path

import pytest

from ppcls.config import dump_config, load_config, load_deploy_config

REPO = Path(__file__).resolve().parents[1]
CONFIGS = sorted((REPO / "configs").glob("*.yaml"))
DEPLOY_CONFIGS = sorted((REPO / "deploy/configs").glob("*.yaml"))


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_every_config_loads_and_has_what_each_command_needs(file: Path) -> None:
    config = load_config(str(file))
    for path in ("DataLoader.Train", "DataLoader.Eval", "Loss.Train", "Optimizer", "Metric.Eval", "Infer.PostProcess"):
        config.require(path, "train")
    assert config.class_num == config.Arch.deployed().args["class_num"]


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_every_config_is_a_lab_note(file: Path) -> None:
    note = file.read_text(encoding="utf-8").split("\n\n")[0]
    assert all(f"# {word}: " in note for word in ("Source", "Expected", "Command"))
    assert f"-c configs/{file.name}" in note or "make demo" in note
    assert note.isascii()


@pytest.mark.parametrize("file", DEPLOY_CONFIGS, ids=lambda file: file.stem)
def test_every_deploy_config_loads(file: Path) -> None:
    load_deploy_config(str(file))


def test_the_config_in_tools_is_the_one_in_configs() -> None:
    there, here = (load_config(str(REPO / folder / "ResNet50_amp_O1.yaml")) for folder in ("tools", "configs"))
    assert there == here
    assert dump_config(here).count("level: O1") == 1
