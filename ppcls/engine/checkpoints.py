"""Checkpoints on disk: written whole or not at all, and checked when they are read.

A checkpoint is three files with one prefix, as in PaddleClas: `.pdparams` (the weights to use), `.pdopt` (the
optimizer, and the weights being trained where they are not those to use), `.pdstates` (everything else, and
the checksums of the other two).
"""

import logging
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Optional

import numpy as np

from ppcls import files, pdparams
from ppcls.errors import CheckpointError

logger = logging.getLogger("ppcls")

NONE: Mapping[str, int] = MappingProxyType({})
AUTO = "auto"  # as the name of a checkpoint: the newest one
SUFFIXES = (".pdparams", ".pdopt", ".pdstates")
NAMES = r"latest|best_model|epoch_\d+"  # what a run writes


@dataclass(frozen=True)
class Checkpoint:
    """What the three files hold; arrays are numpy."""

    weights: Mapping[str, Any]
    optimizer: Mapping[str, Any]
    states: Mapping[str, Any]


def _file(prefix: Path, suffix: str) -> Path:
    return Path(f"{prefix}{suffix}")


def _backup(prefix: Path) -> Path:
    return Path(f"{prefix}.bak")


def _new(prefix: Path) -> Path:
    return Path(f"{prefix}.new")


def _exists(prefix: Path) -> bool:
    return all(_file(prefix, suffix).is_file() for suffix in SUFFIXES)


def _remove(prefix: Path) -> None:
    for suffix in SUFFIXES:
        _file(prefix, suffix).unlink(missing_ok=True)


def _link(source: Path, target: Path) -> None:
    """Give the same content a second name; files are only ever replaced, so it can't change under it."""
    for suffix in SUFFIXES:
        _file(target, suffix).unlink(missing_ok=True)
        try:
            os.link(_file(source, suffix), _file(target, suffix))
        except OSError:  # a file system without hard links
            shutil.copyfile(_file(source, suffix), _file(target, suffix))


def _replace(new: Path, prefix: Path) -> None:
    """Move the files of `new` over those of `prefix` so that a complete set exists at every moment.

    Three renames are not one. The old set keeps a second name until all three are done, and `read` takes
    that one when the checksums of the first do not fit.
    """
    backup = _backup(prefix)
    # A complete backup is from a write that was killed: it stays if that one got no further than its renames.
    if _exists(prefix) and not (_exists(backup) and _fault(prefix)):
        _link(prefix, backup)
    for suffix in SUFFIXES:
        os.replace(_file(new, suffix), _file(prefix, suffix))
    files.sync_folder(prefix.parent)  # the backup is needed for as long as a loss of power could undo that
    _remove(backup)


def write(prefix: Path, checkpoint: Checkpoint, *, also: Sequence[Path] = ()) -> None:
    """Write the checkpoint under the names `also` and then under `prefix`, replacing older ones.

    `prefix` is the last: a run that is killed resumes from there, and comes by the other names again.
    Raises: CheckpointError (disk full, ...).
    """
    new = _new(prefix)
    with _reported(prefix):
        try:
            pdparams.write(_file(new, ".pdparams"), checkpoint.weights)
            pdparams.write(_file(new, ".pdopt"), checkpoint.optimizer)
            checksums = {suffix: files.sha256_of(_file(new, suffix)) for suffix in SUFFIXES[:2]}
            pdparams.write(_file(new, ".pdstates"), {**checkpoint.states, "sha256": checksums})
            for name in also:
                _link(new, _new(name))
                _replace(_new(name), name)
            _replace(new, prefix)
        finally:
            _remove(new)


@contextmanager
def _reported(prefix: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CheckpointError(
            f"checkpoint '{prefix}': can't be written; {error.strerror}; free or choose another disk or folder"
        ) from error


def _fault(prefix: Path) -> Optional[str]:
    """Return what is wrong with the files of `prefix`, or None."""
    missing = [suffix for suffix in SUFFIXES if not _file(prefix, suffix).is_file()]
    if missing:
        return f"{', '.join(prefix.name + suffix for suffix in missing)} not found"
    try:
        checksums = pdparams.read(_file(prefix, ".pdstates")).get("sha256")
    except CheckpointError:
        return f"{prefix.name}.pdstates is damaged"
    if not isinstance(checksums, dict):
        return f"{prefix.name}.pdstates was not written by ppcls"
    for suffix, expected in checksums.items():
        if files.sha256_of(_file(prefix, suffix)) != expected:
            return f"{prefix.name}{suffix} is damaged (its checksum does not fit)"
    return None


def read(prefix: Path) -> Checkpoint:
    """Read the checkpoint under `prefix`. Raises CheckpointError if it is missing, incomplete or damaged."""
    if prefix.suffix in SUFFIXES:
        prefix = prefix.with_suffix("")
    fault = _fault(prefix)
    if fault is not None and _exists(_backup(prefix)) and _fault(_backup(prefix)) is None:
        prefix, fault = _backup(prefix), None  # a write was interrupted between its renames: the one before it stands
    if fault is not None:
        raise CheckpointError(
            f"checkpoint '{prefix}': {fault}; give the prefix of a complete checkpoint, such as "
            "output/ResNet50/latest, or use Global.pretrained_model to start from weights alone"
        )
    return Checkpoint(*(pdparams.read(_file(prefix, suffix)) for suffix in SUFFIXES))


def stamps(folder: Path) -> dict[str, int]:
    """Return when each checkpoint in a folder was written, to tell later ones from them."""
    return {file.stem: file.stat().st_mtime_ns for file in folder.glob("*.pdstates")}


def names_in(folder: Path) -> list[str]:
    """Return the names of a run's checkpoints of which at least one file is in a folder."""
    names = {file.stem for file in folder.glob("*.pd*") if file.suffix in SUFFIXES}
    return sorted(name for name in names if re.fullmatch(NAMES, name))


def newest(folder: Path, *, but: Mapping[str, int] = NONE) -> Optional[tuple[Path, Checkpoint]]:
    """Return the prefix and the content of a run's newest checkpoint that is whole, or None; name the skipped.

    That is `latest`, and where it is damaged the last written one of `epoch_N` and `best_model`. Not the one of the
    highest step: that may be of an earlier, longer run in the same folder. Those that are as in the stamps `but` don't
    count.
    """
    written = stamps(folder)
    names = [name for name in written if re.fullmatch(NAMES, name) and name != "latest"]
    names.sort(key=lambda name: (written[name], name), reverse=True)
    for name in ["latest", *names]:
        prefix = folder / name
        if name in but and written.get(name) == but[name]:
            continue
        if any(_file(any_name, suffix).exists() for any_name in (prefix, _backup(prefix)) for suffix in SUFFIXES):
            try:
                return prefix, read(prefix)
            except CheckpointError as error:
                logger.warning(f"skipped: {str(error).partition('; ')[0]}")
    return None


def _num_bytes(content: Any) -> int:
    if isinstance(content, np.ndarray):
        return content.nbytes
    values = content.values() if isinstance(content, Mapping) else content if isinstance(content, list) else ()
    return sum(_num_bytes(value) for value in values)


class Checkpoints:
    """The checkpoints of one run: `latest`, `best_model` and the newest `keep` of `epoch_N` (-1: all)."""

    def __init__(self, folder: Path, *, keep: int, save_interval: int) -> None:
        self.folder = folder
        self.keep = keep
        self.save_interval = save_interval

    def make_folder(self) -> None:
        """Make the folder. Raises CheckpointError if it can't be made."""
        files.make_folder(self.folder, "Global.output_dir")

    def make_room(self, sample: Checkpoint) -> None:
        """Make the folder. Raises CheckpointError if it can't be made or has no room for two of `sample`."""
        self.make_folder()
        files.remove_temporaries(self.folder)
        needed, free = 2 * _num_bytes([*vars(sample).values()]), shutil.disk_usage(self.folder).free
        if free < needed:
            raise CheckpointError(
                f"Global.output_dir: '{self.folder}' has {free >> 20} MiB left; checkpoints need at least "
                f"{(needed >> 20) + 1} MiB; free some space or give another folder"
            )

    def save_latest(self, checkpoint: Checkpoint) -> None:
        """Write `latest` alone, within an epoch."""
        write(self.folder / "latest", checkpoint)

    def save(self, checkpoint: Checkpoint, *, epoch: int, best: bool) -> None:
        """Write `latest`; the same files become `best_model` and, every `save_interval` epochs, `epoch_N`."""
        names = ["best_model"] if best else []
        if self.save_interval > 0 and epoch % self.save_interval == 0:
            names.append(f"epoch_{epoch}")
        write(self.folder / "latest", checkpoint, also=[self.folder / name for name in names])
        if self.keep > 0:
            self._prune(epoch)

    def _prune(self, newest: int) -> None:
        """Remove this run's `epoch_N` but the newest `keep`; later ones are of an earlier, longer run."""
        names = (re.fullmatch(r"epoch_(\d+)", file.stem) for file in self.folder.glob("epoch_*.pdstates"))
        epochs = sorted(int(name[1]) for name in names if name)
        for epoch in [epoch for epoch in epochs if epoch <= newest][: -self.keep]:
            _remove(self.folder / f"epoch_{epoch}")
