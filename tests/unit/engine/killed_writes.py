"""Run by test_checkpoint.py: saves checkpoints in child processes that are killed before one file operation.

Argument: an empty folder. Prints, for a save killed at each of its operations in turn, the numbers of the
contents that `latest` and `best_model` then hold; the last line is of a save that was not killed.
"""

import os
import shutil
import sys
from pathlib import Path
from typing import Any, Callable

import numpy as np

from ppcls.engine import checkpoints
from ppcls.engine.checkpoints import Checkpoint, Checkpoints

OPERATIONS = ("open", "os.link", "os.rename", "os.remove")


def content(number: int) -> Checkpoint:
    return Checkpoint({"w": np.full(4, number)}, {"m": np.full(2, number)}, {"epoch": number})


def read(prefix: Path) -> int:
    """Return which `content` is there; fails for a mixture."""
    found = checkpoints.read(prefix)
    numbers = {*found.weights["w"].tolist(), *found.optimizer["m"].tolist(), found.states["epoch"]}
    assert len(numbers) == 1, numbers
    return int(numbers.pop())


def save(folder: Path, number: int) -> None:
    Checkpoints(folder, keep=1, save_interval=1).save(content(number), epoch=number, best=True)


def write(folder: Path, number: int) -> None:
    checkpoints.write(folder / "latest", content(number))


def killed(action: Callable[[Path, int], None], folder: Path, number: int, kill_at: int) -> bool:
    """Run the action in a child that is killed before operation `kill_at`; return whether it was."""
    child = os.fork()
    if child == 0:
        done = 0

        def count(event: str, _: Any) -> None:
            nonlocal done
            done += event in OPERATIONS
            if done == kill_at:
                os._exit(1)  # as by SIGKILL: nothing is flushed, no `finally` runs

        sys.addaudithook(count)
        action(folder, number)
        os._exit(0)
    return os.waitpid(child, 0)[1] != 0


def kill_each_save(folder: Path) -> None:
    """Kill the save of 2 over 1 at each operation."""
    kill_at, was_killed = 0, True
    while was_killed:
        kill_at += 1
        run = folder / f"save{kill_at}"
        run.mkdir()
        save(run, 1)
        was_killed = killed(save, run, 2, kill_at)
        print(read(run / "latest"), read(run / "best_model"))


def kill_two_writes(folder: Path) -> None:
    """Kill the write of 2 over 1, and then that of 3 over what is left: the last complete one must stand."""
    first, second = folder / "first", folder / "second"
    kill_at, was_killed = 0, True
    while was_killed:
        kill_at += 1
        first.mkdir()
        write(first, 1)
        was_killed = killed(write, first, 2, kill_at)
        before = read(first / "latest")
        for then_at in range(1 + kill_at % 4, 25, 4):
            shutil.copytree(first, second)
            killed(write, second, 3, then_at)
            after = read(second / "latest")
            assert after in (before, 3), (kill_at, then_at, before, after)
            shutil.rmtree(second)
        shutil.rmtree(first)


if __name__ == "__main__":
    kill_two_writes(Path(sys.argv[1]))
    kill_each_save(Path(sys.argv[1]))
