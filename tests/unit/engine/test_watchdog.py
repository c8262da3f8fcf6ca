"""A process in which nothing moves ends, and says where it stood; one that is just stopped, or done, does not."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
HANGING_RUN = """
import sys, time
from ppcls.config import load_config
from ppcls.engine.engine import Engine
from ppcls.models import ARCHITECTURES

ARCHITECTURES.module_of["Tiny"] = "tiny"
options = ["Arch.name=Tiny", "Global.hang_seconds=2", "Global.eval_during_train=False"]
engine = Engine(load_config(sys.argv[1], options))
engine.prepare()
engine.updates.accumulate = lambda *_: time.sleep(60)
engine.train()
"""
MOVING = """
import time
from ppcls.engine.ranks import Watchdog

dog = Watchdog(2)
with dog:
    print("watched", flush=True)
    for _ in range(4):
        time.sleep(0.8)
        dog.moved()
time.sleep(2.5)
"""


def start(code: str, *arguments: str) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parents[2]), str(HERE)])}
    words = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_single_process_that_hangs_ends_with_its_stacks(shapes_yaml: str) -> None:
    process = start(HANGING_RUN, shapes_yaml)
    _, printed = process.communicate(timeout=50)
    assert process.returncode == 1
    assert "rank 0: no batch was finished for 2 s (Global.hang_seconds); this process hangs; below is" in printed
    assert "in train_epoch" in printed


def test_one_that_moves_or_is_stopped_by_a_signal_or_is_done_goes_on() -> None:
    process = start(MOVING)
    assert process.stdout and process.stdout.readline() == "watched\n"
    process.send_signal(signal.SIGSTOP)
    time.sleep(3)
    process.send_signal(signal.SIGCONT)
    _, printed = process.communicate(timeout=50)
    assert process.returncode == 0
    assert "no batch" not in printed
