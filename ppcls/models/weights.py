"""Put weights from a file or a URL into a model."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from numpy.typing import NDArray
from paddle import nn

from ppcls.errors import CheckpointError
from ppcls.models.adapters import adapters_for
from ppcls.models.cards import class_names_of
from ppcls.models.first_conv import fit_channels
from ppcls.models.head_rows import follow_names, new_heads
from ppcls.models.ml_decoder import replaced_heads
from ppcls.models.weight_files import Arrays, download, find_weights, is_remote, listed, read_weights, saved_names

logger = logging.getLogger("ppcls")

# What other programs put before all names of a model that stands inside of something else.
PREFIXES = ("module.", "backbone.", "model.", "_orig_mod.")

# What the names of weights inside losses begin with: a training keeps them with the model, which does without them.
OF_LOSSES = "losses."
# The model that learns from others, where nothing else is said.
STUDENT = "Student"


def load_weights(
    model: nn.Layer, source: str, *, new_head: bool = True, class_names: Sequence[str] = (), inside: str = ""
) -> None:
    """Load a file of weights, a prefix of one, a URL or a `hf-hub:OWNER/NAME` of one into `model`.

    Names are PaddleClas's, or those of a program that the family has an adapter for. With `new_head`, the rows of a
    head follow the `class_names` where the weights came with theirs, one for another number of classes or that the
    weights lack keeps its initial values, and the first convolution may take another number of channels. The log
    says so. Of several models that learned together, those of `inside` are taken, or of the "Student"; frozen models
    have weights of their own.
    Raises: CheckpointError if there is no such file, it is none of weights, or it doesn't fit the model.
    """
    path = download(source) if is_remote(source) else find_weights(source)
    # The first also makes sure that the file is the one of its run.
    saved = saved_names(path) or class_names_of(source)
    frozen = (f"{name}." for name in getattr(model, "frozen_models", dict)())
    elsewhere = (OF_LOSSES, *frozen, *getattr(model, "gone", ()))
    arrays = {n: _widened(array) for n, array in read_weights(path).items() if not n.startswith(elsewhere)}
    entries = model.state_dict(use_hook=False)  # the tensors themselves, not copies cast for saving
    state = {name: tensor for name, tensor in entries.items() if not name.startswith(elsewhere)}
    arrays = _of_one_model(arrays, state, f"{inside or STUDENT}.")
    arrays = _by_our_names(path, _without_prefix(path, arrays, state), model)
    skipped: set[str] = set()
    replaced = replaced_heads(model, list(arrays)) if new_head else set()
    if new_head:
        arrays = follow_names(model, arrays, saved=saved, names=class_names, where=str(path))
        arrays = fit_channels(state, arrays, where=str(path))
        skipped = new_heads(model, arrays) | (replaced & set(state))
    arrays = {name: array for name, array in arrays.items() if name not in replaced}
    _check_fit(path, _name_of(model), state, arrays, skipped)
    for name, tensor in state.items():
        if name not in skipped:
            tensor.set_value(paddle.to_tensor(arrays[name], place=tensor.place).astype(tensor.dtype))
    logger.info("loaded weights from %s", path)
    if skipped:
        other = "another head" if replaced else "another number of classes"
        has = f"{other} than the model" if replaced or skipped & set(arrays) else "no classifier"
        logger.warning(f"{path} has {has}: {', '.join(sorted(skipped))} keep their initial values")


def _name_of(model: nn.Layer) -> str:
    return getattr(model, "arch_name", type(model).__name__)


def _by_our_names(path: Path, arrays: Arrays, model: nn.Layer) -> Arrays:
    """Return the arrays of another program by our names; ours as they are.

    Raises: CheckpointError if the program computes otherwise than the model.
    """
    for adapter in adapters_for(model):
        if adapter.reads(arrays):
            if obstacle := adapter.obstacle(model):
                raise CheckpointError(
                    f"{path}: weights by the names of {adapter.program}, which {obstacle}, or give others"
                )
            logger.info("%s: weights by the names of %s", path, adapter.program)
            return adapter.convert(model, arrays)
    return arrays


def _widened(array: NDArray[Any]) -> NDArray[Any]:
    """Return bfloat16, which comes as uint16, as float32: it is the upper half of one."""
    return (array.astype(np.uint32) << 16).view(np.float32) if array.dtype == np.uint16 else array


def _of_one_model(arrays: Arrays, state: dict[str, Any], prefix: str) -> Arrays:
    """Return the arrays of one of several models under its own names; all where there are no such."""
    found = {name[len(prefix) :]: array for name, array in arrays.items() if name.startswith(prefix)}
    return arrays if not found or any(name.startswith(prefix) for name in state) else found


def _without_prefix(path: Path, arrays: Arrays, state: dict[str, Any]) -> Arrays:
    """Return the arrays without what stands before all of their names, and say so."""
    prefix = ""
    while True:
        common = [p for p in PREFIXES if all(name.startswith(prefix + p) for name in arrays)]
        if not common or all(name.startswith(prefix + common[0]) for name in state):
            break
        prefix += common[0]
    if not prefix:
        return arrays
    logger.info("%s: all names begin with '%s', which is taken off", path, prefix)
    return {name[len(prefix) :]: array for name, array in arrays.items()}


def _check_fit(path: Path, model_name: str, state: dict[str, Any], arrays: Arrays, skipped: set[str]) -> None:
    mis_shaped = [
        f"{name} {list(arrays[name].shape)} instead of {list(tensor.shape)}"
        for name, tensor in state.items()
        if name in arrays and name not in skipped and arrays[name].shape != tuple(tensor.shape)
    ]
    faults = {
        "missing": [name for name in state if name not in arrays and name not in skipped],
        "unexpected": [name for name in arrays if name not in state],
        "other shape": mis_shaped,
    }
    if any(faults.values()):
        found = "; ".join(f"{kind}: {listed(names)}" for kind, names in faults.items() if names)
        raise CheckpointError(f"{path}: doesn't fit {model_name}; {found}; give weights of {model_name}")
    wrong = [name for name in state if name not in skipped and not np.isfinite(arrays[name]).all()]
    if wrong:
        raise CheckpointError(
            f"{path}: has values that are not finite (NaN or infinity), in {listed(wrong)}; the training that wrote it "
            "diverged, or the file is damaged; give another one"
        )
