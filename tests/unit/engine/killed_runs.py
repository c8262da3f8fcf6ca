"""Trains a small model under SIGKILLs, and compares with a run that was never stopped. Run by test_resume.py.

Arguments: a config of the model Tiny, an empty folder, the number of kills. For many of them, by hand:
PYTHONPATH=. python tests/unit/engine/killed_runs.py CONFIG FOLDER 100
"""

import contextlib
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

from runs import numbers, records_in, same_arrays

from ppcls.config import load_config
from ppcls.engine import checkpoints, log
from ppcls.engine.engine import Engine
from ppcls.models import ARCHITECTURES

OPTIONS = "Arch.name=Tiny Arch.dropout=0.5 EMA.decay=0.9 Global.print_batch_step=1 Global.epochs=3 Global.update_freq=2"
SMALL = "DataLoader.Train.sampler.batch_size=3"  # 9 batches per epoch, 5 groups
FILE_OPERATIONS = ("open", "os.link", "os.rename", "os.remove")


def train(config: str, folder: Path, *options: str) -> None:
    engine = Engine(load_config(config, [*OPTIONS.split(), SMALL, f"Global.output_dir={folder}", *options]))
    engine.train()


def train_to_be_killed(config: str, folder: Path, at_operation: int) -> None:
    """Go on with the run; kill this process before file operation `at_operation` of the training (0: never)."""
    done = 0

    def count(event: str, arguments: Any) -> None:
        nonlocal done
        if event in FILE_OPERATIONS and str(folder) in str(arguments):
            done += 1
            if done == at_operation:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    train(config, folder, "Global.checkpoints=auto", "Global.save_steps=1")


def run_to_the_end(config: str, folder: Path, kills_left: int, seconds: float, rng: random.Random) -> int:
    """Kill and resume a run until it is done; return the number of kills. `seconds` is what a run takes."""
    kills = 0
    while True:
        wanted = kills < kills_left
        by_time = wanted and rng.random() < 0.5
        child = os.fork()  # of a process that has Paddle at hand, and has computed nothing with it
        if child == 0:
            with (folder.parent / f"{folder.name}.log").open("a") as file, contextlib.redirect_stdout(file):
                log.start_console()
                train_to_be_killed(config, folder, 0 if by_time or not wanted else rng.randrange(1, 60))
            os._exit(0)
        if by_time:
            time.sleep(rng.uniform(0.05, seconds))
            os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
        if status == 0:
            return kills
        assert status == signal.SIGKILL, f"status {status}; see {folder}.log"
        kills += 1


def refuse_differences(folder: Path, other: Path) -> None:
    for name in ("latest", "best_model"):
        left, right = checkpoints.read(folder / name), checkpoints.read(other / name)
        assert same_arrays(left.weights, right.weights), (name, "weights")
        assert same_arrays(left.optimizer, right.optimizer), (name, "optimizer")
        assert numbers(left) == numbers(right), name
    assert records_in(folder) == records_in(other)


def main(config: str, folder: Path, num_kills: int) -> None:
    """Kill runs so often; each one must end as the one that was not killed."""
    ARCHITECTURES.module_of["Tiny"] = "tiny"
    rng = random.Random(0)
    started = time.perf_counter()
    run_to_the_end(config, folder / "whole", 0, 0.0, rng)
    seconds = time.perf_counter() - started
    kills = runs = 0
    while kills < num_kills:
        runs += 1
        kills += run_to_the_end(config, folder / f"killed{runs}", num_kills - kills, seconds, rng)
        refuse_differences(folder / "whole" / "Tiny", folder / f"killed{runs}" / "Tiny")
    print(f"{kills} kills in {runs} runs, and no difference")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
