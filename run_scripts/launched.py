"""paddle.distributed.launch as a child process: started, followed, stopped, and its failures told."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Optional

from ppcls import environment
from ppcls.errors import PpclsError, TerminatedError

# Of the log of each rank that may have failed.
SHOWN_LINES = 20
POLL_SECONDS = 0.2


class StoppedError(PpclsError):
    """A signal ended the run, which had `status` then."""

    def __init__(self, number: int, status: int) -> None:
        saved = status == TerminatedError.exit_status
        place = "here" if saved else "the last checkpoint"
        super().__init__(f"stopped by {signal.Signals(number).name}; --resume auto continues from {place}")
        self.exit_status = status if saved else 128 + number


def run(words: Sequence[str], logs: Path) -> int:
    """Run the command, show what the first rank of this node prints, and return the exit status.

    That is the status of the rank that failed, or 128 + N if signal N ended it.
    Raises: StoppedError, when all ranks have ended, if this process got a signal to stop.
    """
    logs.mkdir(parents=True, exist_ok=True)
    remove_files(logs, keep=())
    with (logs / "launch.log").open("w") as said:
        # In a session of its own: Ctrl-C is for this process, which passes it on.
        child = subprocess.Popen(
            words,
            stdout=subprocess.DEVNULL,
            stderr=said,
            start_new_session=True,
            preexec_fn=environment.end_with_parent,
        )
    received: list[int] = []

    def pass_on(number: int, _: Optional[FrameType]) -> None:
        """Let the ranks save and end; at a second signal, just end them."""
        received.append(number)
        if len(received) > 1:
            child.kill()  # and so its ranks
            return
        name = signal.Signals(number).name
        print(f"{name}: the ranks save and end; a second signal ends them at once", file=sys.stderr, flush=True)
        tell_to_stop(child)

    heeded = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    heeded = [number for number in heeded if signal.getsignal(number) is not signal.SIG_IGN]  # as under nohup
    before = [signal.signal(number, pass_on) for number in heeded]
    try:
        follow(child, logs / "workerlog.0")
    finally:
        if child.poll() is None:  # nobody reads what is printed
            tell_to_stop(child)
        status = child.wait()
        for number, handler in zip(heeded, before):
            signal.signal(number, handler)
        remove_files(logs, keep=("workerlog.", "launch.log"))  # copies of the environment, secrets included
    failed = failed_rank(logs)
    if failed:
        status = failed[1]
    status = status if status >= 0 else 128 - status
    if received:
        raise StoppedError(received[0], status)
    if status not in (0, TerminatedError.exit_status):  # a rank that was told to stop has said so
        show_failure(logs)
    return status


def remove_files(folder: Path, *, keep: tuple[str, ...]) -> None:
    """Remove the files, but for those whose names start with one of `keep`."""
    for file in folder.iterdir():
        if file.is_file() and not file.name.startswith(keep):
            file.unlink()


def tell_to_stop(launch: "subprocess.Popen[bytes]") -> None:
    """Let the ranks save and end.

    Not by way of paddle.distributed.launch, unless it has none yet: it would kill them after 30 seconds, and hide
    their status.
    """
    ranks = children(launch.pid)
    for rank in ranks:
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            os.kill(rank, signal.SIGTERM)
    if not ranks:
        launch.terminate()


def children(parent: int) -> list[int]:
    """Return the ids of the processes that `parent` has started."""
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has just ended
            _, _, behind_its_name = file.read_text().rpartition(")")
            if int(behind_its_name.split()[1]) == parent:
                found.append(int(file.parent.name))
    return found


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


def failed_rank(logs: Path) -> Optional[tuple[int, int]]:
    """Return which rank of this node failed first, and its status; None if paddle.distributed.launch itself did."""
    said = (logs / "launch.log").read_text(errors="replace")
    report = re.search(r"Container rank (\d+) status failed .* code (-?\d+) log", said)
    return (int(report[1]), int(report[2])) if report else None


def show_failure(logs: Path) -> None:
    """Print who failed, and the last lines of all ranks; those of the first were shown already."""
    failed = failed_rank(logs)
    print(
        f"{logs}/workerlog.{failed[0]}: ended with status {failed[1]}" if failed else (logs / "launch.log").read_text(),
        file=sys.stderr,
    )
    names_of: dict[tuple[str, ...], list[str]] = {}
    for log in sorted(logs.glob("workerlog.*"), key=lambda log: int(log.suffix[1:])):
        lines = log.read_text(errors="replace").splitlines()[-SHOWN_LINES:]
        names_of.setdefault(tuple(lines), []).append(log.name)
    for lines, names in names_of.items():
        shown = [name for name in names if name != "workerlog.0"]
        if shown and not lines:
            print(
                f"{', '.join(shown)}: without a message: killed, perhaps as memory ran out, "
                "or ended because another rank had failed",
                file=sys.stderr,
            )
        elif shown:
            same = ("as workerlog.0",) if shown != names else lines
            print(f"{', '.join(shown)}:", *same, sep="\n  ", file=sys.stderr)
