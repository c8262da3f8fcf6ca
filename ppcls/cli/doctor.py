"""The command `ppcls doctor`: what this machine has, and what is missing."""

import argparse
import importlib.metadata
import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path

import ppcls
from ppcls import environment
from ppcls.data.loader.memory import limit_bytes

PURPOSE = "show versions, cores, memory, devices, operators and limits of this machine"
EXAMPLES = """examples:
  ppcls doctor"""

PACKAGES = ("paddlepaddle", "paddlepaddle-gpu", "numpy", "opencv-python", "opencv-python-headless", "pillow")
OPTIONAL = ("onnxruntime", "paddle2onnx", "openvino", "onednn-devel", "fastapi", "visualdl")
GIB = 2**30
LITTLE_SHM_GIB, LITTLE_DISK_GIB, FEW_FILES = 1, 5, 1024


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """There are none."""


def run(_: argparse.Namespace) -> int:
    """Print a line for each fact; what may be a trouble is marked. Return the exit status."""
    for name, text, trouble in facts():
        print(f"{'!' if trouble else ' '} {name:<12} {text}{f'; {trouble}' if trouble else ''}")
    return 0


def facts() -> Iterator[tuple[str, str, str]]:
    """Yield names of facts, the facts, and what is wrong with them, if anything."""
    yield "ppcls", f"{ppcls.__version__}, Python {platform.python_version()}, {platform.platform()}", ""
    yield "packages", ", ".join(_versions(PACKAGES)), ""
    yield "optional", ", ".join(_versions(OPTIONAL)) or "none", ""
    logical = len(environment.logical_cpus())
    yield "CPU", f"{environment.physical_cores()} physical cores, {logical} logical ones for this process", ""
    yield "instructions", environment.instruction_set(), environment.bfloat16_obstacle()
    if hasattr(os, "getloadavg"):  # not on Windows
        yield "load", *_load(os.getloadavg()[0], environment.physical_cores())
    if hasattr(os, "sysconf"):
        machine_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        yield "memory", f"{min(machine_bytes, limit_bytes()) / GIB:.1f} GiB", ""
    yield from _computing()
    yield (
        "/dev/shm",
        *_free(Path("/dev/shm"), LITTLE_SHM_GIB, "loader workers pass batches there; docker: --shm-size=8g"),
    )
    yield "disk here", *_free(Path.cwd(), LITTLE_DISK_GIB, "checkpoints need room")
    home = environment.cache("")
    there = next(folder for folder in (home, *home.parents) if folder.exists())
    text, trouble = _free(there, LITTLE_DISK_GIB, "weights need room; set PPCLS_HOME to a folder elsewhere")
    yield "disk of home", f"{text} for {home}", trouble
    try:
        import resource
    except ImportError:  # on Windows
        return
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield "open files", f"at most {files}", "few for a server; see ulimit -n" if files < FEW_FILES else ""


def _computing() -> Iterator[tuple[str, str, str]]:
    from ppcls import device  # loads paddle
    from ppcls.ops import compiled

    kinds = device.available()
    yield "devices", ", ".join(kinds), "" if len(kinds) > 1 else "no accelerator that this Paddle knows"
    reason = compiled.obstacle()
    built = "" if reason else "built" if compiled.path().exists() else "not built yet: the first training does, once"
    yield "operators", f"oneDNN's, for training on the CPU: {built or 'not to be had'}", reason


def _load(load: float, cores: int) -> tuple[str, str]:
    free = max(cores - round(load), 1)
    trouble = f"while others compute, a training is faster with MKL_NUM_THREADS={free}" if free < cores else ""
    return f"{load:.1f} of {cores} cores in the last minute", trouble


def _versions(packages: tuple[str, ...]) -> Iterator[str]:
    for package in packages:
        try:
            yield f"{package} {importlib.metadata.version(package)}"
        except importlib.metadata.PackageNotFoundError:
            continue


def _free(folder: Path, least_gib: float, trouble: str) -> tuple[str, str]:
    if not folder.exists():
        return "not there", trouble
    usage = shutil.disk_usage(folder)
    free = usage.free / GIB
    return f"{free:.1f} of {usage.total / GIB:.1f} GiB free", trouble if free < least_gib else ""
