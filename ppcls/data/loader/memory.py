"""The memory for finished batches: how much there may be, and how it is had."""

import mmap
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ppcls.errors import TrainingError


def available_bytes(root: Path = Path("/")) -> int:
    """Return how much memory may still be taken: of the machine, and of the container that this process is in.

    Memory that holds what was read from files counts as free. Where the system doesn't say, there is no limit.
    """
    meminfo = _numbers(root / "proc/meminfo")
    free = meminfo["MemAvailable:"] * 1024 if "MemAvailable:" in meminfo else sys.maxsize
    return min([free, *(max(0, limit - used) for limit, used in _containers(root))])


def limit_bytes(root: Path = Path("/")) -> int:
    """Return how much memory the container that this process is in may have; without one, more than there is."""
    return min([sys.maxsize, *(limit for limit, _ in _containers(root))])


def mapped(descriptor: int, size: int) -> memoryview:
    """Return `size` bytes of a file's memory, or for -1 of nobody else's. Raises TrainingError if they can't be had."""
    try:
        return memoryview(mmap.mmap(descriptor, size))
    except OSError as error:
        raise too_little(size, f"'{error.strerror}'") from error


def anonymous_file(size: int) -> int:
    """Return the descriptor of a file without a name; in memory where the system can do that.

    Unlike a file in /dev/shm it isn't held to the few megabytes that containers give that folder.
    """
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("ppcls-batches")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, size)
    return descriptor


def too_little(size: int, received: str) -> TrainingError:
    """Return the error for batches that need more than there is."""
    return TrainingError(
        f"data loader: batches need {size / 1e6:,.0f} MB of memory; received {received}; lower batch_size, or give "
        "the machine, the container or the process (ulimit -v) more"
    )


def _containers(root: Path) -> Iterator[tuple[int, int]]:
    """Yield the limits of this process's control groups, of the first and the second version, and what is used."""
    groups = _lines(root / "proc/self/cgroup")
    own = next((line.partition("::")[2].strip("/") for line in groups if line.startswith("0::")), "")
    forms = (
        (root / "sys/fs/cgroup" / own, "memory.max", "memory.current", "inactive_file"),
        (root / "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    )
    for folder, limit, usage, cached in forms:
        values = [value for name in (limit, usage) for value in _lines(folder / name)]
        if len(values) == 2 and values[0].isdecimal():  # else there is no such file, or the limit is "max"
            used = int(values[1]) - _numbers(folder / "memory.stat").get(cached, 0)
            yield int(values[0]), used


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="ascii").splitlines()
    except OSError:
        return []


def _numbers(file: Path) -> dict[str, int]:
    return {fields[0]: int(fields[1]) for fields in map(str.split, _lines(file)) if len(fields) > 1}
