"""`run.json` in a run's folder: what the run was made with, so that it can be told, compared and made again."""

import hashlib
import importlib.metadata
import json
import platform
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import ppcls
from ppcls import environment
from ppcls.data.sources.base import LabelledImages
from ppcls.errors import DataError
from ppcls.files import write_text
from ppcls.images.failures import OneImage
from ppcls.text import as_utf8

MANIFEST = "run.json"
PACKAGES = ("paddlepaddle", "paddlepaddle-gpu", "numpy", "opencv-python", "opencv-python-headless", "pillow", "PyYAML")
# Of larger data sets the names and labels are known, not what is in each file.
MOST_READ = 10_000
_DIGITS = 16


def write(folder: Path, data: Mapping[str, LabelledImages]) -> None:
    """Write the manifest of a run that begins; `data` is by the names of its sections."""
    content = {**described(), "data": {name: described_data(data_set) for name, data_set in data.items()}}
    write_text(folder / MANIFEST, json.dumps(content, indent=1) + "\n")


def read(folder: Path) -> dict[str, Any]:
    """Return the manifest of a run; empty for a run of an earlier version."""
    file = folder / MANIFEST
    found = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return found if isinstance(found, dict) else {}


def _command() -> str:
    """Return the command of this process as it can be typed again."""
    program = Path(sys.argv[0])
    words = ["python", "-m", "ppcls"] if program.parts[-2:] == ("ppcls", "__main__.py") else [program.name]
    return as_utf8(shlex.join([*words, *sys.argv[1:]]))


def described() -> dict[str, Any]:
    """Return the command, the packages and the machine of this process."""
    installed = {one.metadata["Name"]: one.version for one in importlib.metadata.distributions()}
    packages = {name: installed[name] for name in PACKAGES if name in installed}
    return {
        "command": _command(),
        "packages": {"python": platform.python_version(), "ppcls": ppcls.__version__, **packages},
        "source_sha256": _source(),
        "machine": {
            "processor": _processor(),
            "cores": environment.physical_cores(),
            "threads": environment.num_threads(),  # which may change the order of sums
            "system": platform.platform(),
        },
    }


def described_data(data_set: LabelledImages) -> dict[str, Any]:
    """Return how many images there are, a checksum of names, labels and contents, and one of each content."""
    images = [_digest(data_set, index) for index in range(len(data_set))] if len(data_set) <= MOST_READ else []
    digest = hashlib.sha256()
    for index in range(len(data_set)):
        digest.update(as_utf8(Path(data_set.where(index)).name).encode() + b"\0")
    digest.update(np.ascontiguousarray(data_set.labels).tobytes())
    digest.update("".join(images).encode())
    return {"num_images": len(data_set), "sha256": digest.hexdigest(), "images": images}


def _digest(data_set: LabelledImages, index: int) -> str:
    try:
        with OneImage():
            content = data_set.read(index)
    except DataError:
        return "unreadable"  # which ends the run, or is skipped, when its turn comes
    return hashlib.sha256(content if isinstance(content, bytes) else content.tobytes()).hexdigest()[:_DIGITS]


def _source() -> str:
    """Return a checksum of this project's own modules."""
    root, digest = Path(ppcls.__file__).parent, hashlib.sha256()
    for file in sorted(root.rglob("*.py")):
        digest.update(str(file.relative_to(root)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
