"""What turns weights by the names of another program into those of ours."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Union

import numpy as np
from paddle import nn

from ppcls.models.weight_files import Arrays

# A pattern of a name, and what stands for a match of it.
Rename = tuple[str, Union[str, Callable[["re.Match[str]"], str]]]

STATISTICS: tuple[Rename, ...] = ((r"\.running_mean$", "._mean"), (r"\.running_var$", "._variance"))
COUNTER = "num_batches_tracked"  # of PyTorch's batch norms, which ours do without


def _same(arrays: Arrays) -> Arrays:
    return arrays


def _same_for(model: Any, arrays: Arrays) -> Arrays:
    return arrays


def _no_obstacle(model: Any) -> str:
    return ""


@dataclass(frozen=True)
class Adapter:
    """How the weights of one `program` become those of one family.

    `signs`: names that all its files have; where ours have them too, `tall` is a linear weight that has more outputs
    than inputs, which PyTorch keeps as rows. `prepare` acts before the `renames`, of which each
    acts on what the ones before it made; `finish` acts after them. `obstacle` says which arguments a model lacks to
    compute what the program computes, or nothing.
    """

    program: str
    signs: tuple[str, ...]
    renames: tuple[Rename, ...] = ()
    prepare: Callable[[Arrays], Arrays] = _same
    finish: Callable[[Any, Arrays], Arrays] = _same_for
    obstacle: Callable[[Any], str] = _no_obstacle
    tall: str = ""

    def reads(self, arrays: Arrays) -> bool:
        """Return whether the names are the program's."""
        if not all(sign in arrays for sign in (*self.signs, *([self.tall] if self.tall else []))):
            return False
        rows, columns = arrays[self.tall].shape if self.tall else (1, 0)
        return bool(rows > columns)

    def convert(self, model: nn.Layer, arrays: Arrays) -> Arrays:
        """Return the arrays by our names and in our shapes; names that are none of the program's stay."""
        arrays = self.prepare({name: array for name, array in arrays.items() if not name.endswith(COUNTER)})
        ours = {self._renamed(name): array for name, array in arrays.items()}
        return _in_our_shapes(model, self.finish(model, ours))

    def _renamed(self, name: str) -> str:
        for pattern, replacement in (*self.renames, *STATISTICS):
            name = re.sub(pattern, replacement, name)
        return name


def _in_our_shapes(model: nn.Layer, arrays: Arrays) -> Arrays:
    """Return `arrays` with the weights of linear layers as [in, out], and with the axes of length 1 that ours have."""
    linear = {f"{name}.weight" for name, layer in model.named_sublayers() if isinstance(layer, nn.Linear)}
    shaped = {name: array.T if name in linear and array.ndim == 2 else array for name, array in arrays.items()}
    for name, entry in model.state_dict(use_hook=False).items():
        array = shaped.get(name)
        if array is not None and array.ndim != entry.ndim and _lengths(array.shape) == _lengths(entry.shape):
            shaped[name] = array.reshape(entry.shape)
    return shaped


def _lengths(shape: Any) -> list[int]:
    return [length for length in shape if length > 1]


def number_blocks(pattern: str, arrays: Arrays) -> Arrays:
    """Return `arrays` with `N:I.` for the stage and the index I in it that `pattern` finds; N counts all blocks."""
    found = {name: match for name in arrays if (match := re.match(pattern, name))}
    places = sorted({(int(match[1]), int(match[2])) for match in found.values()})
    numbered = {
        name: f"{places.index((int(match[1]), int(match[2])))}:{match[2]}.{name[match.end() :]}"
        for name, match in found.items()
    }
    return {numbered.get(name, name): array for name, array in arrays.items()}


def identity_conv(conv: str, norm: str, channels: int, epsilon: float = 1e-5) -> Arrays:
    """Return a 1x1 convolution and a batch norm, by their names, that together change nothing."""
    ones = np.ones(channels, np.float32)
    return {
        f"{conv}.weight": np.eye(channels, dtype=np.float32)[:, :, None, None],
        f"{norm}.weight": ones * np.float32(np.sqrt(1 + epsilon)),
        f"{norm}.bias": 0 * ones,
        f"{norm}._mean": 0 * ones,
        f"{norm}._variance": ones,
    }


def keep_buffers(model: Any, arrays: Arrays) -> Arrays:
    """Return `arrays` with the model's own indices of relative positions, which follow from its sizes."""
    own = {name: entry for name, entry in model.state_dict(use_hook=False).items() if name.endswith("_index")}
    return {**arrays, **{name: entry.numpy() for name, entry in own.items()}}
