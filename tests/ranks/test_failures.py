"""What happens when a rank fails, hangs or is killed, and when the launcher is told to stop."""

import hashlib
import json
import os
import re
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from launches import LAUNCHER, SMALL, Launch, Run


def flags(images: Path, *more: str) -> tuple[str, ...]:
    words = "--model_name resnet18 --nproc_per_node 2 --bs 8 --lr 0.01 --device cpu --num_workers 0".split()
    return (*words, "--dataset_path", str(images), *SMALL, *more)


def test_a_rank_that_fails_ends_the_run_with_its_message(launch: Launch, images: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(images, damaged)
    (damaged / "train/class3/107.png").write_bytes(b"not an image")  # of one batch, and so of one rank
    run = launch(*flags(damaged))
    assert run.wait() != 0
    assert "107.png: " in run.printed()
    assert "experiment ended" not in run.printed()
    assert not run.ranks()


def test_a_rank_that_is_killed_ends_the_run_within_seconds(launch: Launch, images: Path) -> None:
    run = launch(*flags(images, "--epoch", "50"))
    run.wait_for("Iter: 1/")
    started = time.monotonic()
    os.kill(run.ranks()[1], signal.SIGKILL)
    assert run.wait() != 0
    assert time.monotonic() - started < 15
    assert "workerlog.1: without a message: killed" in run.printed()
    assert "experiment ended" not in run.printed()
    assert not run.ranks()


def test_a_rank_that_hangs_ends_the_run_and_the_others_say_where_they_stand(launch: Launch, images: Path) -> None:
    run = launch(*flags(images, "--epoch", "50", "-o", "Global.hang_seconds=10"))
    run.wait_for("Iter: 1/")
    os.kill(run.ranks()[1], signal.SIGSTOP)
    assert run.wait() == 1
    assert "rank 0: no batch was finished for 10 s" in run.printed()
    assert "in train_epoch" in run.printed()
    assert not run.ranks()


# One epoch of 20 batches, saved at steps 5, 10 and 15; the average of batch-norm statistics is in it.
LONG = ("--bs", "4", "-o", "Global.save_steps=5", "-o", "EMA.decay=0.9")


@pytest.fixture(scope="module")
def whole(environment: dict[str, str], images: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a run that nobody stopped has written."""
    run = Run(tmp_path_factory.mktemp("whole"), environment, (sys.executable, LAUNCHER, *flags(images, *LONG)))
    assert run.wait() == 0, run.printed()
    return written(run)


def written(run: Run) -> dict[str, Any]:
    """Return the digests of the last checkpoint and the records of a run, without the times."""
    folder, times = run.folder / "output/ResNet18", ("ips", "ips_min", "ips_max", "batch_seconds", "data_wait")
    found: dict[str, Any] = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("latest.pdparams", "latest.pdopt")
    }
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    keys = [[key for key in record if key not in (*times, "eta_seconds")] for record in records]
    found["records"] = [{key: record[key] for key in kept} for record, kept in zip(records, keys)]
    return found


def test_after_a_failure_a_run_goes_on_and_ends_as_one_without(
    launch: Launch, images: Path, whole: dict[str, Any]
) -> None:
    run = launch(*flags(images, *LONG, "--max_restart", "1"))
    run.wait_for("[Iter: 7/")
    os.kill(run.ranks()[1], signal.SIGKILL)
    assert run.wait() == 0
    assert re.search(r"resuming from 'output/ResNet18/latest': epoch 0, batch (\d+), step \1\n", run.printed())
    assert run.printed().endswith("experiment ended\n")
    assert run.printed().count("experiment ended") == 1
    assert written(run) == whole


def test_a_launcher_that_is_told_to_stop_saves_and_the_run_goes_on_as_if_it_had_not(
    launch: Launch, images: Path, whole: dict[str, Any]
) -> None:
    stopped = launch(*flags(images, *LONG, "--max_restart", "3"))
    stopped.wait_for("[Iter: 2/")
    stopped.process.send_signal(signal.SIGTERM)
    assert stopped.wait(40) == 75
    assert not stopped.ranks()
    assert re.search(r"SIGTERM: the training stops after 0 epochs and \d+ batches", stopped.printed())
    assert "experiment ended" not in stopped.printed()
    assert stopped.printed().endswith("stopped by SIGTERM; --resume auto continues from here\n")
    resumed = launch(*flags(images, *LONG, "--resume", "auto"))
    assert resumed.wait() == 0
    assert written(resumed) == whole


def test_a_second_signal_does_not_wait_for_a_rank(launch: Launch, images: Path) -> None:
    run = launch(*flags(images, "--epoch", "50", "--max_restart", "3"))
    run.wait_for("Iter: 1/")
    os.kill(run.ranks()[1], signal.SIGSTOP)
    run.process.send_signal(signal.SIGINT)
    run.wait_for("SIGINT: the ranks save and end; a second signal ends them at once")
    run.process.send_signal(signal.SIGINT)
    assert run.wait(40) == 128 + signal.SIGINT
    assert not run.ranks()
    assert "experiment ended" not in run.printed()


def test_all_processes_end_with_a_launcher_that_is_killed(launch: Launch, images: Path) -> None:
    run = launch(*flags(images, "--epoch", "50", "--num_workers", "1"))
    run.wait_for("Iter: 1/")
    assert len(run.processes()) == 6  # launcher, paddle.distributed.launch, two ranks and a loader of each
    run.process.kill()
    run.wait()
    deadline = time.monotonic() + 30
    while run.processes():
        assert time.monotonic() < deadline, run.processes()
        time.sleep(0.1)
