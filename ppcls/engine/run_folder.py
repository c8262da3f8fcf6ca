"""The folder of a run: one run at a time writes there, and a new one doesn't replace what an older one left."""

import contextlib
import dataclasses
import errno
import json
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from ppcls import files
from ppcls.config import load_config
from ppcls.config.schema import GlobalSection, RunConfig
from ppcls.engine import checkpoints, ranks
from ppcls.errors import CheckpointError, ConfigError

logger = logging.getLogger("ppcls")

LOCK = "run.lock"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")  # Linux: the same in all containers of a host


@contextlib.contextmanager
def claimed(folder: Path, settings: GlobalSection) -> Iterator[None]:
    """Make the folder, and keep it for this run until the end of the `with`.

    Raises: CheckpointError if another run writes there, or if this one would replace what an earlier one left.
    """
    files.make_folder(folder, "Global.output_dir")
    with _locked(folder / LOCK):
        refuse_to_replace(folder, settings)  # which may have come since the first look
        yield


def resuming(config: RunConfig) -> RunConfig:
    """Return the config, as one that resumes if its folder has the checkpoints of this very config.

    A command that is repeated completes its run so, and does nothing to one that is complete.
    """
    settings = config.Global
    folder = Path(settings.output_dir) / config.Arch.name
    file = folder / "config.yaml"
    if settings.checkpoints or settings.overwrite or not file.is_file() or not checkpoints.names_in(folder):
        return config
    try:
        before = load_config(str(file))
    except ConfigError:  # somebody changed it, or another version wrote it: not this config
        return config
    auto = dataclasses.replace(config, Global=dataclasses.replace(settings, checkpoints=checkpoints.AUTO))
    if before not in (config, auto):
        return config
    note = f"'{folder}' has the checkpoints of a run of this config, which resumes; anew: Global.overwrite=True"
    return dataclasses.replace(auto, notes=(*config.notes, note))


def refuse_to_replace(folder: Path, settings: GlobalSection) -> None:
    """Raise CheckpointError if a run of these settings is a new one, and another one has checkpoints there."""
    resume_from, found = settings.checkpoints, checkpoints.names_in(folder)
    resumes = resume_from == checkpoints.AUTO or (
        resume_from and Path(resume_from).resolve().parent == folder.resolve()
    )
    if found and not resumes and not settings.overwrite:
        if ranks.rank() == 0 and (folder / LOCK).exists():
            _open_locked(
                folder / LOCK
            ).close()  # where the run is not an earlier one but still runs, that is the reason
        raise CheckpointError(
            f"Global.output_dir: '{folder}' has the checkpoints of an earlier run ({', '.join(found)}); resume it with "
            "Global.checkpoints: auto, give another output_dir, or let Global.overwrite: True replace them one by one"
        )


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    file = _open_locked(path)
    with file:
        _refuse_other_host(path, file)
        file.truncate(0)
        json.dump(_this_process(), file)
        file.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _open_locked(path: Path) -> TextIO:
    """Return the lock file, open and locked by this process for as long as it is open.

    A lock of the process (POSIX), not of the open file: reading processes, which inherit that, don't keep it when
    this one is killed.
    """
    import fcntl  # not on Windows, where all but training does without

    while True:
        try:
            file = path.open("a+", encoding="utf-8")
        except OSError as error:
            raise CheckpointError(
                f"{path}: can't be written; {error.strerror}; give another Global.output_dir"
            ) from error
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = _owner(file)
            file.close()
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                raise CheckpointError(
                    f"{path}: the file system has no locks, which keep two runs apart; {error.strerror}; give an "
                    "output_dir elsewhere"
                ) from error
            raise CheckpointError(
                f"Global.output_dir: another run writes to '{path.parent}': process {owner.get('pid', 'unknown')} on "
                f"{owner.get('host', 'an unknown host')}; wait until it ends, or give another output_dir"
            ) from error
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()  # its run ended and removed it just now; take a new one


def _refuse_other_host(path: Path, file: TextIO) -> None:
    """Take over what a run left that was killed on this host; of another host nobody here can know that."""
    owner, here = _owner(file), _this_process()
    if not owner:
        return
    if owner.get("host") != here["host"] and owner.get("boot") != here["boot"]:
        raise CheckpointError(
            f"{path}: held by a run on another host: process {owner.get('pid')} on {owner.get('host')}; if that has "
            "ended, remove this file"
        )
    logger.warning(f"{path}: its run, process {owner.get('pid')} on {owner.get('host')}, was killed; taken over")


def _owner(file: TextIO) -> dict[str, Any]:
    file.seek(0)
    try:
        found = json.loads(file.read())
    except ValueError:  # nothing yet, or the half of a killed process
        return {}
    return found if isinstance(found, dict) else {}


def _this_process() -> dict[str, Any]:
    boot = BOOT_ID.read_text().strip() if BOOT_ID.exists() else ""
    return {"pid": os.getpid(), "host": socket.gethostname(), "boot": boot}
