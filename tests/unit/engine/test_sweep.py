"""`ppcls sweep`: the order of its runs, what it keeps of them, and what it says to repeat or change."""

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest

from ppcls.cli import main, sweep
from ppcls.cli.entry import make_parser
from ppcls.config import load_config
from ppcls.engine.engine import Engine
from ppcls.errors import TrainingError

SWEEP = """
base_config_file: {base}
output_dir: {folder}/sweep
search_dict:
  - {{search_key: lrs, replace_config: [Optimizer.lr.learning_rate], search_values: {lrs}}}
  - {{search_key: crops, replace_config: [DataLoader.Train.dataset.transform_ops.0.RandCropImage.scale],
     search_values: [[0.9, 1.0]]}}
"""


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands of the runs, which are made here: processes of their own would take seconds to start."""
    commands: list[list[str]] = []

    def in_process(words: Sequence[str]) -> int:
        commands.append(list(words))
        arguments = make_parser("train").parse_args(words[2:])
        try:
            Engine(load_config(arguments.config, arguments.override)).train()
        except TrainingError as error:
            return error.exit_status
        return 0

    monkeypatch.setattr(sweep, "_status", in_process)
    return commands


@pytest.fixture
def base(shapes_yaml: str) -> Path:
    """The config of a short run."""
    file = Path(shapes_yaml)
    file.write_text(file.read_text().replace("epochs: 4", "epochs: 2").replace("name: ResNet18", "name: Tiny"))
    return file


def written(folder: Path, base: Path, lrs: str = "[0.0, 0.02]") -> str:
    (folder / "sweep.yaml").write_text(SWEEP.format(base=base, folder=folder, lrs=lrs))
    return str(folder / "sweep.yaml")


def best_of(run: Path) -> float:
    """The best top-1 of a run, by what it wrote."""
    lines = (run / "Tiny/metrics.jsonl").read_text().splitlines()
    return max(line["top1"] for line in map(json.loads, lines) if line["phase"] == "eval")


def test_each_setting_is_searched_with_the_best_of_those_before_and_no_run_is_made_twice(
    base: Path, tmp_path: Path, made: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", written(tmp_path, base)]) == 0
    names = ("lrs_0_0", "lrs_0_02")
    results = [best_of(tmp_path / "sweep" / name) for name in names]
    best = (0.0, 0.02)[results.index(max(results))]
    assert [f"Optimizer.lr.learning_rate={lr}" in words for words, lr in zip(made, (0.0, 0.02, best))] == [True] * 3
    assert "DataLoader.Train.dataset.transform_ops.0.RandCropImage.scale=[0.9, 1.0]" in made[2]
    shown = capsys.readouterr().out
    assert f"| lrs   | {best}" in shown and "| best |" in shown
    assert f"-o Global.pretrained_model={tmp_path}/sweep/crops_0_9_1_0/Tiny/best_model" in shown

    assert main(["sweep", written(tmp_path, base)]) == 0
    assert len(made) == 3
    assert main(["sweep", "--dry", written(tmp_path, base, "[0.0, 0.02, 0.01]")]) == 0
    assert "learning_rate=0.01" in capsys.readouterr().out
    base.write_text(base.read_text().replace("epochs: 2", "epochs: 3"))
    assert main(["sweep", written(tmp_path, base)]) == 2
    assert "'lrs_0_0' was made with other settings, or of another" in capsys.readouterr().err


def test_a_run_that_fails_ends_the_sweep_which_continues_without_its_value(
    base: Path, tmp_path: Path, made: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", written(tmp_path, base, "[0.01, 1e30]")]) == 1
    assert "Tiny' has ended with status 1; the same command of the sweep" in capsys.readouterr().err
    assert main(["sweep", written(tmp_path, base, "[0.01]")]) == 0
    assert len(made) == 3


def test_mistakes_come_before_the_first_run(
    base: Path, tmp_path: Path, made: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", written(tmp_path, base, "[0.01, fast]")]) == 2
    assert "Optimizer.lr.learning_rate: expected a number; received the text 'fast'" in capsys.readouterr().err
    assert main(["sweep", written(tmp_path, base, "[]")]) == 2
    assert "search_dict.0.search_values: expected at least one; received none" in capsys.readouterr().err
    assert main(["sweep", "-c", written(tmp_path, base), "-o", "gpus=0"]) == 2
    assert "gpus: there are none here; received 0; add -o gpus=null" in capsys.readouterr().err
    assert not made and not (tmp_path / "sweep").exists()


def test_paddleclas_own_sweep_ends_with_a_teacher_and_a_student(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ppcls").mkdir()
    (tmp_path / "ppcls/configs").symlink_to(shared / "paddleclas/train")
    monkeypatch.chdir(tmp_path)
    file = "ppcls/configs/PULC/person_exists/search.yaml"
    assert main(["-c", file, "--dry", "-o", "gpus=0,1"], command="sweep") == 0
    commands = [shlex.split(line) for line in capsys.readouterr().out.splitlines()]
    assert len(commands) == 3 + 3 + 3 + 3 + 3 + 2 + 1
    assert commands[0][:4] == ["python", "-m", "paddle.distributed.launch", "--gpus=0,1"]
    *_, teacher, final = commands
    assert 'Arch.name="ResNet50_vd"' in teacher and not any("lr_mult_list" in word for word in teacher)
    assert final[final.index("-c") + 1].endswith("PPLCNet_x1_0_distillation.yaml")
    for option in (
        'Optimizer.lr.learning_rate="<best of lrs>"',
        'Arch.models.1.Student.lr_mult_list="<best of lr_mult_list>"',
        'Arch.models.0.Teacher.name="<best of teacher>"',
        "Global.output_dir=output/search_person_cls/search_res",
    ):
        assert option in final
