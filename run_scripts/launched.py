"""paddle.distributed.launch as a child process: started, followed, stopped, and its failures told."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Optional

from ppcls.errors import PpclsError

# Of the log of each rank that may have failed.
SHOWN_LINES = 20
POLL_SECONDS = 0.2


class StoppedError(PpclsError):
    """A signal ended the run."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}; --resume auto goes on from the last checkpoint")
        self.exit_status = 128 + number


def run(words: Sequence[str], logs: Path) -> int:
    """Run the command, show what the first rank of this node prints, and return the exit status.

    That is the status of the rank that failed, or 128 + N if signal N ended it.
    Raises: StoppedError, when all ranks have ended, if this process got a signal to stop.
    """
    logs.mkdir(parents=True, exist_ok=True)
    for old in logs.glob("workerlog.*"):
        old.unlink()
    passed_on: list[int] = []
    with (logs / "launch.log").open("w") as said:
        # In a session of its own: Ctrl-C is for this process, which passes it on once.
        child = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=said, start_new_session=True)

    def pass_on(number: int, _: Optional[FrameType]) -> None:
        passed_on.append(number)
        child.terminate()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, pass_on)
    try:
        follow(child, logs / "workerlog.0")
    finally:
        if child.poll() is None:  # nobody reads what is printed
            child.terminate()
        status = child.wait()
        for file in logs.iterdir():
            if not file.name.startswith(("workerlog.", "launch.log")):
                file.unlink()  # copies of the environment, and so of any secret in it
    if passed_on:
        raise StoppedError(passed_on[0])
    if status:
        status = show_failure(logs) or status
    return status if status >= 0 else 128 - status


def follow(child: "subprocess.Popen[bytes]", log: Path) -> None:
    """Print what is written to `log`, as it comes, until `child` ends."""
    while not log.exists() and child.poll() is None:
        time.sleep(POLL_SECONDS)
    if not log.exists():
        return
    with log.open("rb") as file:
        ended = False
        while not ended:
            ended = child.poll() is not None
            sys.stdout.buffer.write(file.read())
            sys.stdout.buffer.flush()
            time.sleep(0 if ended else POLL_SECONDS)


def show_failure(logs: Path) -> int:
    """Print the last lines of all ranks but the first, whose lines were shown.

    Return the status of the rank that failed first, and 0 if paddle.distributed.launch itself did.
    """
    said = (logs / "launch.log").read_text(errors="replace")
    report = re.search(r"Container rank (\d+) status failed .* code (-?\d+) log", said)
    print(f"workerlog.{report[1]}: ended with status {report[2]}" if report else said, file=sys.stderr)
    silent = []
    for log in sorted(logs.glob("workerlog.*"), key=lambda log: int(log.suffix[1:]))[1:]:
        lines = log.read_text(errors="replace").splitlines()[-SHOWN_LINES:]
        if lines:
            print(f"{log}:", *lines, sep="\n  ", file=sys.stderr)
        else:
            silent.append(log.name)
    if silent:
        print(
            f"{', '.join(silent)}: without a message: killed, perhaps as memory ran out, "
            "or ended because another rank had failed",
            file=sys.stderr,
        )
    return int(report[2]) if report else 0
