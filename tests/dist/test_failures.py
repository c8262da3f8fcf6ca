"""What happens when a rank fails, hangs or is killed, and when the launcher is told to stop."""

import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from launches import SMALL, Launch


def flags(pictures: Path, *more: str) -> tuple[str, ...]:
    words = "--model_name resnet18 --nproc_per_node 2 --bs 8 --lr 0.01 --device cpu --num_workers 0".split()
    return (*words, "--dataset_path", str(pictures), *SMALL, *more)


def test_a_rank_that_fails_ends_the_run_with_its_message(launch: Launch, pictures: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(pictures, damaged)
    (damaged / "train/class3/107.png").write_bytes(b"not a picture")  # of one batch, and so of one rank
    run = launch(*flags(damaged))
    assert run.wait() != 0
    assert "107.png: " in run.printed()
    assert "experiment ended" not in run.printed()
    assert not run.ranks()


def test_a_rank_that_is_killed_ends_the_run_within_seconds(launch: Launch, pictures: Path) -> None:
    run = launch(*flags(pictures, "--epoch", "50"))
    run.wait_for("Iter: 1/")
    started = time.monotonic()
    os.kill(run.ranks()[1], signal.SIGKILL)
    assert run.wait() != 0
    assert time.monotonic() - started < 15
    assert "workerlog.1: without a message: killed" in run.printed()
    assert "experiment ended" not in run.printed()
    assert not run.ranks()


def test_a_rank_that_hangs_ends_the_run_and_the_others_say_where_they_stand(launch: Launch, pictures: Path) -> None:
    run = launch(*flags(pictures, "--epoch", "50", "-o", "Global.hang_seconds=5"))
    run.wait_for("Iter: 1/")
    os.kill(run.ranks()[1], signal.SIGSTOP)
    assert run.wait() == 1
    assert "rank 0: no batch was finished for 5 s" in run.printed()
    assert "in train_epoch" in run.printed()
    assert not run.ranks()


def test_after_a_failure_the_run_goes_on_from_its_last_checkpoint(launch: Launch, pictures: Path) -> None:
    run = launch(*flags(pictures, "--epoch", "2", "--max_restart", "1", "-o", "Global.iter_per_epoch=5"))
    run.wait_for("[Train][Epoch 2/2][Iter: 1/")
    os.kill(run.ranks()[1], signal.SIGKILL)
    assert run.wait() == 0
    assert "go on from 'output/ResNet18/latest': epoch 1, step 5" in run.printed()
    assert run.printed().endswith("experiment ended\n")
    assert run.printed().count("experiment ended") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_launcher_stops_its_ranks(launch: Launch, pictures: Path, number: signal.Signals) -> None:
    run = launch(*flags(pictures, "--epoch", "50", "--max_restart", "3"))
    run.wait_for("Iter: 1/")
    run.process.send_signal(number)
    assert run.wait(40) == 128 + number
    assert not run.ranks()
    assert "experiment ended" not in run.printed()
