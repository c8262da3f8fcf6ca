"""A classifier's rows follow the names of their classes, from the weights of other classes to a new model."""

import logging
from collections.abc import Iterator, Sequence

import numpy as np
import paddle
from paddle import nn

from ppcls.models.weight_files import Arrays

logger = logging.getLogger("ppcls")


def follow_names(model: nn.Layer, arrays: Arrays, *, saved: Sequence[str], names: Sequence[str], where: str) -> Arrays:
    """Return `arrays` with the rows of the classifier at the numbers that their classes have in `names`.

    A class that the weights don't know keeps the initial values of `model`; the log says so. Nothing changes where
    the classes and their number are the same, or the names of either side are unknown.
    """
    heads = list(heads_of(model, arrays))
    same_shapes = all(list(arrays[name].shape) == tensor.shape for name, tensor, _ in heads)
    if not heads or not names or not saved or (same_shapes and list(names) == list(saved)):
        return arrays
    old, new = ({name: row for row, name in enumerate(found)} for found in (saved, names))
    known = [name for name in names if name in old]
    moved = {name: tensor.numpy() for name, tensor, _ in heads}
    for name, _, axis in heads:
        rows, old_rows = np.moveaxis(moved[name], axis, 0), np.moveaxis(arrays[name], axis, 0)
        for of in known:
            if new[of] < len(rows) and old[of] < len(old_rows):
                rows[new[of]] = old_rows[old[of]]
    logger.warning(
        f"{where}: the rows of {', '.join(moved)} follow the names of the classes: {_listed('kept', known)}, "
        f"{_listed('new', [name for name in names if name not in old])}, "
        f"{_listed('dropped', [name for name in saved if name not in new])}"
    )
    return {**arrays, **moved}


def heads_of(model: nn.Layer, arrays: Arrays) -> Iterator[tuple[str, paddle.Tensor, int]]:
    """Yield the parameters of the classifiers that `arrays` has too, but for the length of the axis of the classes."""
    state = model.state_dict(use_hook=False)
    for prefix, layer in model.named_sublayers():
        if hasattr(layer, "class_axis"):
            for name, tensor in layer.state_dict(include_sublayers=False, structured_name_prefix=f"{prefix}.").items():
                axis = layer.class_axis if tensor.ndim > 1 else 0
                if name in arrays and name in state and _fit_but_along(axis, arrays[name].shape, state[name].shape):
                    yield name, state[name], axis


def _fit_but_along(axis: int, one: Sequence[int], other: Sequence[int]) -> bool:
    """Return whether two shapes are the same, but perhaps along an axis."""
    shapes = [[length for place, length in enumerate(shape) if place != axis] for shape in (one, other)]
    return len(one) == len(other) and shapes[0] == shapes[1]


def _listed(kind: str, names: Sequence[str]) -> str:
    shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    return f"{len(names)} {kind}" + (f" ({shown})" if names else "")
