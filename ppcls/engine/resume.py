"""Resuming from a checkpoint: which one, and what differs from the run that wrote it."""

import dataclasses
import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

import yaml
from paddle import nn

from ppcls.config import dump_config, load_config
from ppcls.config.schema import RunConfig
from ppcls.engine import checkpoints
from ppcls.engine.checkpoints import Checkpoint
from ppcls.engine.ranks import rows_of_ranks
from ppcls.engine.state import TrainState
from ppcls.errors import CheckpointError, ConfigError

logger = logging.getLogger("ppcls")

# Keys, or the starts of keys, that may differ between the parts of one run without any effect on its numbers.
FREE = tuple(
    "Global.checkpoints Global.pretrained_model Global.output_dir Global.early_stop Global.hang_seconds "
    "Global.save_ Global.keep Global.print_ Global.log_ranks Global.use_visualdl Global.loggers Global.prof Infer. "
    "DataLoader.Train.loader. DataLoader.UnLabelTrain.loader. DataLoader.Eval.loader. Evaluators".split()
)


@dataclasses.dataclass(frozen=True)
class Pace:
    """How samples become batches and steps; batches are those of one rank, `global_batch` counts samples."""

    world_size: int
    global_batch: int
    update_freq: int
    batches_per_epoch: int
    steps_per_epoch: int


def find(config: RunConfig, folder: Path) -> Optional[tuple[Path, Checkpoint]]:
    """Return the prefix and content of the checkpoint that `Global.checkpoints` means; None: a new run."""
    wanted = config.Global.checkpoints
    if not wanted:
        return None
    if wanted != checkpoints.AUTO:
        return Path(wanted), checkpoints.read(Path(wanted))
    found = checkpoints.newest(folder)
    if found is None:
        logger.info(f"Global.checkpoints: auto: no checkpoint in '{folder}'; starting a new run")
    return found


def restore(state: TrainState, saved: Checkpoint, config: RunConfig, pace: Pace) -> None:
    """Resume from `saved`, at the present pace. Raises CheckpointError if it does not fit."""
    state.restore(saved)
    before = Pace(**saved.states["pace"])
    if before != pace:
        _move(state, before, pace)
    changed = differences(_read_now(saved.states["config"]), yaml.safe_load(dump_config(config)))
    if changed:
        logger.warning(f"the config differs from the one of the checkpoint: {'; '.join(changed)}")


def checksums(frozen: Mapping[str, nn.Layer]) -> dict[str, str]:
    """Return a checksum of the weights of each model that is no part of a checkpoint."""
    found = {}
    for name, model in frozen.items():
        hashed = hashlib.sha256()
        for entry in model.state_dict().values():
            hashed.update(entry.numpy().tobytes())
        found[name] = hashed.hexdigest()
    return found


def refuse_other_frozen(where: Path, saved: Checkpoint, frozen: Mapping[str, str]) -> None:
    """Raise CheckpointError unless the checksums of frozen models are those of the run that wrote the checkpoint."""
    before = saved.states.get("frozen", {})
    other = [name for name, checksum in frozen.items() if before.get(name) != checksum]
    if other:
        raise CheckpointError(
            f"Global.checkpoints: '{where}' was trained with another {other[0]}; give it the weights of then, or start "
            "a new run from that checkpoint with Global.pretrained_model"
        )


def refuse_other_places(state: TrainState) -> None:
    """Raise CheckpointError unless all ranks stand at the same place; every rank must call it."""
    places = rows_of_ranks([state.epoch, state.step])
    if (places != places[0]).any():
        found = ", ".join(f"rank {rank} at step {int(step)}" for rank, (_, step) in enumerate(places))
        raise CheckpointError(
            f"Global.checkpoints: the ranks have not found the same checkpoint; received {found}; "
            "let Global.output_dir be a folder that all nodes share, or copy the checkpoint to each"
        )


def _move(state: TrainState, before: Pace, now: Pace) -> None:
    """Turn a place in batches of the old size into one in batches of the new size, at the start of a group."""
    group = now.global_batch * now.update_freq
    samples = state.batches_done * before.global_batch
    groups = samples // group
    if state.batches_done == before.batches_per_epoch:
        groups = now.steps_per_epoch
    old_step = state.step
    state.batches_done = min(groups * now.update_freq, now.batches_per_epoch)
    state.step = state.epoch * now.steps_per_epoch + groups
    changes = ", ".join(
        f"{field.name} {getattr(before, field.name)} -> {getattr(now, field.name)}"
        for field in dataclasses.fields(Pace)
        if getattr(before, field.name) != getattr(now, field.name)
    )
    again = f"; {samples - groups * group} samples come again" if samples > groups * group else ""
    logger.warning(f"the checkpoint has another pace: {changes}; step {old_step} -> {state.step}{again}")


def _read_now(written: str) -> Any:
    """Return a config that an earlier version may have written, with the defaults of keys that came since.

    What this version can't read stays as it was written: it differs.
    """
    before = yaml.safe_load(written)
    try:
        config = load_config(None, [f"{name}={json.dumps(section)}" for name, section in before.items()])
    except ConfigError:
        return before
    return yaml.safe_load(dump_config(config))


def differences(before: Any, now: Any, key: str = "") -> list[str]:
    """Return `key: old -> new` for all values that differ, other than those of FREE keys."""
    if key.startswith(FREE) or before == now:
        return []
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        names = list(dict.fromkeys([*before, *now]))
        parts = [(f"{key}.{name}" if key else name, before.get(name), now.get(name)) for name in names]
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        parts = [(f"{key}.{place}", *pair) for place, pair in enumerate(zip(before, now))]
    else:
        return [f"{key}: {before} -> {now}"]
    return [line for name, old, new in parts for line in differences(old, new, name)]
