"""Names of classes, where two parts of a run must mean the same by a label."""

import itertools
from collections.abc import Sequence
from pathlib import Path

from ppcls.engine.checkpoints import Checkpoint
from ppcls.errors import CheckpointError, DataError


def refuse_other_classes(names: Sequence[str], others: Sequence[str], whose: str, where: str) -> None:
    """Raise DataError if both have names of classes, and not the same: a label would mean another class."""
    difference = _difference(names, others)
    if difference:
        raise DataError(
            f"{where}: has other classes than {whose}; received {difference}; use the same class "
            "folders, or one class_id_map_file for both"
        )


def refuse_other_run(prefix: Path, saved: Checkpoint, names: Sequence[str]) -> None:
    """Raise CheckpointError if a checkpoint was trained on other classes than the training set has now."""
    difference = _difference(saved.states["label_names"], names)
    if difference:
        raise CheckpointError(
            f"Global.checkpoints: '{prefix}' was trained on other classes than DataLoader.Train.dataset has now; "
            f"received {difference}; resume with the data that the run began with, or start a new run from it: "
            f"Global.pretrained_model={prefix}, where the rows of the classifier follow the names"
        )


def _difference(names: Sequence[str], others: Sequence[str]) -> str:
    """Return how `others` differ from `names`, at the first label that does; empty if not, or if one has none."""
    if not names or not others or list(names) == list(others):
        return ""
    label = next(i for i, pair in enumerate(itertools.zip_longest(names, others)) if pair[0] != pair[1])
    there, here = (f"'{classes[label]}'" if label < len(classes) else "no class" for classes in (names, others))
    return f"{len(others)} names for {len(names)}, of which label {label} is {here} instead of {there}"
