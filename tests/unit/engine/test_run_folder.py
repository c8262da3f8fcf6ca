"""One run at a time writes to a folder, and a new one replaces nothing that it was not told to."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import pytest
from runs import MakeEngine, losses, trained

from ppcls.config.schema import GlobalSection
from ppcls.engine import run_folder
from ppcls.engine.engine import Engine
from ppcls.errors import CheckpointError, TerminatedError, TrainingError

REPO = Path(__file__).resolve().parents[3]
HOLD = """
import os, sys
from pathlib import Path
from ppcls.config.schema import GlobalSection
from ppcls.engine.run_folder import claimed
with claimed(Path(sys.argv[1]), GlobalSection()):
    if os.fork() == 0:  # such as one that reads images: it keeps open what this process has opened
        sys.stdin.read()
        os._exit(0)
    print("claimed", flush=True)
    sys.stdin.read()
"""
Hold = Callable[[Path], "subprocess.Popen[str]"]


@pytest.fixture
def hold() -> Iterator[Hold]:
    """Return what starts a process that has claimed a folder, and a child of it."""
    started: list[subprocess.Popen[str]] = []

    def start(folder: Path) -> "subprocess.Popen[str]":
        environment = {**os.environ, "PYTHONPATH": str(REPO)}
        words = [sys.executable, "-c", HOLD, str(folder)]
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(words, env=environment, stdin=pipe, stdout=pipe, text=True))
        assert started[-1].stdout and started[-1].stdout.readline() == "claimed\n"
        return started[-1]

    yield start
    for process in started:
        process.communicate()


def claim(folder: Path) -> None:
    with run_folder.claimed(folder, GlobalSection()):
        assert (folder / run_folder.LOCK).is_file()


def contents(folder: Path) -> dict[str, bytes]:
    """Return what is in a folder, but for the log, which in this process takes the lines of later runs as well."""
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name != "train.log"}


def test_a_second_run_is_told_of_the_first_and_changes_nothing(make: MakeEngine, hold: Hold) -> None:
    second = make("Tiny", "run")
    first = hold(second.folder)
    with pytest.raises(CheckpointError) as caught:
        second.train()
    assert str(caught.value) == (
        f"Global.output_dir: another run writes to '{second.folder}': process {first.pid} on {socket.gethostname()}; "
        "wait until it ends, or give another output_dir"
    )
    assert [file.name for file in second.folder.iterdir()] == [run_folder.LOCK]
    (second.folder / "latest.pdstates").touch()
    with pytest.raises(CheckpointError, match=f"another run writes to .*: process {first.pid} on"):
        make("Tiny", "run").train()  # not: there are checkpoints of an earlier one


def test_what_a_killed_run_left_is_taken_over_at_once(
    tmp_path: Path, hold: Hold, caplog: pytest.LogCaptureFixture
) -> None:
    first = hold(tmp_path)
    first.send_signal(signal.SIGKILL)
    first.wait()
    claim(tmp_path)
    assert caplog.messages == [
        f"{tmp_path}/run.lock: its run, process {first.pid} on {socket.gethostname()}, was killed; taken over"
    ]
    claim(tmp_path)
    assert len(caplog.messages) == 1


@pytest.mark.parametrize("left", ["", '{"pid": 1', "[]"])
def test_half_a_lock_file_is_taken_over(tmp_path: Path, left: str) -> None:
    (tmp_path / run_folder.LOCK).write_text(left)
    claim(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("host", "boot", "taken"),
    [("other", "other", False), ("other", "same", True), ("same", "other", True)],  # a container; a start of the host
)
def test_the_lock_of_another_host_stays(tmp_path: Path, host: str, boot: str, taken: bool) -> None:
    same = {"host": socket.gethostname(), "boot": run_folder.BOOT_ID.read_text().strip()}
    owner = {"pid": 7, "host": same["host"] if host == "same" else host, "boot": same["boot"] if boot == "same" else ""}
    (tmp_path / run_folder.LOCK).write_text(json.dumps(owner))
    if taken:
        claim(tmp_path)
        return
    with pytest.raises(CheckpointError, match="held by a run on another host: process 7 on other; if .*remove"):
        claim(tmp_path)


def test_a_run_that_fails_leaves_no_lock(make: MakeEngine) -> None:
    engine = make("Tiny", "run", "Optimizer.lr.learning_rate=1e30", "Optimizer.lr.warmup_epoch=0")
    with pytest.raises(TrainingError):
        engine.train()
    assert not (engine.folder / run_folder.LOCK).exists()
    blocked = make("Tiny", "blocked")
    (blocked.folder / "config.yaml").mkdir(parents=True)
    with pytest.raises(CheckpointError, match=r"config\.yaml: can't be written"):
        blocked.train()
    assert not (blocked.folder / run_folder.LOCK).exists()


def test_a_new_run_does_not_replace_a_finished_one(make: MakeEngine) -> None:
    done = trained(make("Tiny", "run", "Global.epochs=1"))
    before = contents(done.folder)
    elsewhere = trained(make("Tiny", "elsewhere", "Global.epochs=1"))
    for options in ([], [f"Global.checkpoints={elsewhere.folder}/latest"]):
        with pytest.raises(CheckpointError) as caught:
            make("Tiny", "run", "Global.epochs=1", "Global.seed=1", *options).train()
        assert str(caught.value) == (
            f"Global.output_dir: '{done.folder}' has the checkpoints of an earlier run (best_model, latest); "
            "resume it with Global.checkpoints: auto, give another output_dir, or let Global.overwrite: True replace "
            "them one by one"
        )
    assert contents(done.folder) == before
    make("Tiny", "run").prepare()  # for --check, which writes nothing


def test_weights_alone_are_not_replaced_either_but_a_user_s_own_files_are_none_of_a_run(make: MakeEngine) -> None:
    engine = make("Tiny", "run", "Global.epochs=1")
    engine.folder.mkdir(parents=True)
    (engine.folder / "epoch_1_mine.pdparams").touch()
    trained(engine)
    other = make("Tiny", "other", "Global.epochs=1")
    other.folder.mkdir(parents=True)
    (other.folder / "best_model.pdparams").touch()
    with pytest.raises(CheckpointError, match=r"earlier run \(best_model\)"):
        other.train()


@pytest.mark.parametrize("option", ["overwrite=True", "checkpoints=auto", "checkpoints={}/epoch_1"])
def test_a_run_that_was_told_to_goes_on_in_the_folder(make: MakeEngine, option: str) -> None:
    done = trained(make("Tiny", "run", "Global.epochs=1", "Global.save_interval=1"))
    again = trained(make("Tiny", "run", "Global.epochs=2", f"Global.{option.format(done.folder)}"))
    assert again.state.epoch == 2
    assert not (again.folder / run_folder.LOCK).exists()


def test_a_command_that_is_repeated_completes_its_run_and_then_changes_nothing(make: MakeEngine) -> None:
    once = trained(make("Tiny", "once", "Global.epochs=2"))
    stopped = make("Tiny", "run", "Global.epochs=2")
    assert run_folder.resuming(stopped.config) is stopped.config  # there is nothing yet
    stopped.save_points.told_to_stop = True
    with pytest.raises(TerminatedError):
        stopped.train()
    completed = trained(Engine(run_folder.resuming(stopped.config)))
    assert losses(completed) == losses(once)
    config = completed.folder / "config.yaml"
    written = config.read_text()
    config.write_text(re.sub("  freeze_norms: .*\n", "", written))  # as before there was this key
    assert config.read_text() != written and run_folder.resuming(stopped.config) is not stopped.config
    config.write_text(written)
    before = contents(completed.folder)
    trained(Engine(run_folder.resuming(stopped.config)))
    assert contents(completed.folder) == before
    other = make("Tiny", "run", "Global.epochs=3").config
    assert run_folder.resuming(other) is other  # and is refused, as any that would replace checkpoints
