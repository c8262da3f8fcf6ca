import errno
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from ppcls import environment
from ppcls.cli import entry as cli
from ppcls.cli import main
from ppcls.errors import CheckpointError, TrainingError

REPO = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("command", ["train", "eval", "infer", "export", "predict"])
def test_help_shows_the_flags_and_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, fixed in (([command, "--help"], None), (["--help"], command)):
        with pytest.raises(SystemExit) as caught:
            main(arguments, command=fixed)
        shown = capsys.readouterr().out
        assert caught.value.code == 0
        assert "-c FILE" in shown
        assert "-o KEY=VALUE" in shown
        assert "examples:\n  " in shown


def test_the_package_is_a_command_too(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "ppcls", "--help"]
    environment = {**os.environ, "PYTHONPATH": str(REPO)}
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: ppcls [-h] COMMAND ...")


@pytest.mark.parametrize("arguments", [[], ["tran"], ["train"], ["train", "-c"], ["eval", "-c", "x", "--check"]])
def test_wrong_arguments_exit_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("usage: ppcls ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["data", "split", "x", "--val", "a fifth"],
            "--val: must be a number of at least 0 and below 1; received 'a f",
        ),
        (["data", "split", "x", "--test", "1"], "--test: must be a number of at least 0 and below 1; received '1'"),
        (["models", "--max-ms", "nan"], "--max-ms: must be a number above 0; received 'nan'"),
        (["lr", "--steps", "9"], "--steps: must be a whole number from 10; received '9'"),
    ],
)
def test_a_number_that_does_not_fit_is_refused_with_those_that_do(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert f"error: argument {message}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (CheckpointError("x: is damaged"), 2, "x: is damaged"),
        (TrainingError("it diverged"), 1, "it diverged"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "the disk is full: [Errno 28] No space left on device;"),
        (ImportError("libGL.so.1: cannot open shared object"), 1, "apt-get install libgl1 libglib2.0-0"),
    ],
)
def test_an_error_is_one_message_and_a_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, status: int, message: str
) -> None:
    def fail(_: object) -> NoReturn:
        raise error

    monkeypatch.setattr(cli, "_run", fail)
    assert main(["train", "-c", "x.yaml"]) == status
    shown = capsys.readouterr().err
    assert message in shown
    assert shown.count("\n") == 1


def test_errors_of_our_own_keep_their_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> NoReturn:
        raise ImportError("no module of ours")

    monkeypatch.setattr(cli, "_run", fail)
    with pytest.raises(ImportError):
        main(["train", "-c", "x.yaml"])


def test_a_reader_who_has_had_enough_is_no_error() -> None:
    command = [sys.executable, "tools/train.py", "-c", "configs/ResNet18.yaml", "--print-config"]
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(command, cwd=REPO, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


def test_the_doctor_says_what_is_here_and_marks_what_may_be_a_trouble(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [line[2:].split("  ")[0] for line in lines]
    assert names[:2] == ["ppcls", "packages"] and {"devices", "operators", "/dev/shm", "open files"} <= set(names)
    assert all(line[0] in " !" for line in lines)


@pytest.mark.parametrize("load, marked", [(0.1, False), (1.2, True), (40.0, True)])
def test_the_doctor_says_with_how_many_threads_a_busy_machine_trains_fastest(
    load: float, marked: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 0.0, 0.0))
    monkeypatch.setattr(environment, "physical_cores", lambda: 2)
    assert main(["doctor"]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line[2:].startswith("load"))
    assert (line[0] == "!", "MKL_NUM_THREADS=1" in line) == (marked, marked)


def test_completion_is_printed_or_says_what_to_install(capsys: pytest.CaptureFixture[str]) -> None:
    status, shown = main(["completion", "bash"]), capsys.readouterr()
    there = importlib.util.find_spec("shtab") is not None
    assert status == (0 if there else 2)
    assert ("--patience" in shown.out) if there else ("pip install ppcls[completion]" in shown.err)
