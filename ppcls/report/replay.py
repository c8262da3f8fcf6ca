"""Train a run again from its folder, and prove that the bits are the same, or name the first that are not."""

import logging
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ppcls.config import as_overrides, load_config
from ppcls.config.schema import RunConfig
from ppcls.engine import checkpoints, manifest
from ppcls.engine.clock import settled
from ppcls.engine.engine import Engine
from ppcls.errors import CheckpointError
from ppcls.recipes.recipe import CONFIG
from ppcls.report.content import history_of
from ppcls.report.difference import between, flat
from ppcls.text import printable

logger = logging.getLogger("ppcls")

# Of the lines of a training: what tells of the time that it took.
_TIMES = ("ips", "ips_min", "ips_max", "batch_seconds", "data_wait", "memory_mib", "eta_seconds")


def replay(folder: Path) -> list[str]:
    """Train the run in a folder again, up to where its `latest` is; return what differs, in lines, first things first.

    Of `ppcls train FOLDER` the run is one folder deeper.
    Raises: CheckpointError for a folder without a manifest or with a run that is within an epoch.
    """
    deeper = [file.parent for file in folder.glob(f"*/{manifest.MANIFEST}")]
    if not (folder / manifest.MANIFEST).is_file() and len(deeper) == 1:
        (folder,) = deeper
    made = manifest.read(folder)
    if not made or not (folder / CONFIG).is_file():
        raise CheckpointError(
            f"{folder}: has no {manifest.MANIFEST}, which says what the run was made with; give the folder of a run"
        )
    saved = checkpoints.read(folder / "latest")
    if saved.states["batches_done"]:
        raise CheckpointError(f"{folder}: its latest checkpoint is within an epoch; resume the run to the end of it")
    with tempfile.TemporaryDirectory(prefix=".replay-", dir=folder.parent) as temporary:
        options = {
            "Global.output_dir": temporary,
            "Global.checkpoints": None,
            "Global.early_stop": saved.states["epoch"],
            "Global.save_interval": -1,
        }
        config = _config(folder, options)
        if config.Global.minutes > 0:
            decided = settled(saved.states["step"], saved.states["schedule"]["decay"])
            config = _config(folder, {**options, "Global.minutes": -1, **decided})
        engine = Engine(config)
        engine.prepare()
        differences = [*_packages(made), *_files(made, engine)]
        for line in differences:
            logger.warning(line)
        engine.train()
        differences += _steps(history_of(folder), history_of(engine.folder))
        differences += _tensors(saved, checkpoints.read(engine.folder / "latest"))
    return differences


def _config(folder: Path, options: Mapping[str, Any]) -> RunConfig:
    return load_config(str(folder / CONFIG), as_overrides(options))


def _packages(made: Mapping[str, Any]) -> Iterator[str]:
    now = manifest.described()
    for kind in ("packages", "machine"):
        for one in between(flat(made.get(kind, {})), flat(now[kind])):
            yield f"{kind}: {one.what} was {one.first} and is {one.second}"
    if made.get("source_sha256") != now["source_sha256"]:
        yield "packages: the modules of ppcls are not the ones that the run was made with"


def _files(made: Mapping[str, Any], engine: Engine) -> Iterator[str]:
    for name, data_set in engine.data_sets().items():
        before, now = made["data"].get(name, {}), manifest.described_data(data_set)
        if before.get("sha256") == now["sha256"]:
            continue
        if before.get("num_images") != now["num_images"]:
            yield f"files: {name} had {before.get('num_images')} images and has {now['num_images']}"
            continue
        pairs = enumerate(zip(before.get("images", []), now["images"]))
        changed = [place for place, (one, other) in pairs if one != other]
        if changed:
            yield f"files: {printable(data_set.where(changed[0]))} is the first of {len(changed)} that were changed"
        else:
            yield f"files: {name} has other names or labels"


def _steps(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> Iterator[str]:
    for one, other in zip(before, after):
        for what in one:
            if what not in _TIMES and one[what] != other.get(what):
                yield f"steps: {what} of {one['phase']} at step {one['step']} was {one[what]} and is {other.get(what)}"
                return
    if len(before) != len(after):
        yield f"steps: the log had {len(before)} lines and has {len(after)}"


def _tensors(before: checkpoints.Checkpoint, after: checkpoints.Checkpoint) -> Iterator[str]:
    for kind in ("weights", "optimizer"):
        one, other = (dict(_arrays(getattr(saved, kind))) for saved in (before, after))
        for name in dict.fromkeys([*one, *other]):
            if name not in one or name not in other or one[name].shape != other[name].shape:
                yield f"tensors: {kind} {name} is not in both, or of another shape"
                return
            if one[name].tobytes() != other[name].tobytes():
                largest = np.abs(one[name].astype(np.float64) - other[name].astype(np.float64)).max()
                yield f"tensors: {kind} {name} is the first that differs, by up to {largest:.3g}"
                break


def _arrays(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _arrays(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, np.ndarray):
        yield name, value
