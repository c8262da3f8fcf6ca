"""Outputs of inner layers beside a model's own, by name; the model's code knows nothing of them."""

import re
from collections.abc import Sequence
from functools import reduce
from typing import Any

import paddle
from paddle import nn

from ppcls.batch import Outputs, outputs_of


def tap(model: nn.Layer, patterns: Sequence[str]) -> None:
    """Let the outputs of a model have those of inner layers as well, under names such as `blocks5` or `blocks[7]`.

    Raises ValueError for a layer that is not there.
    """
    if not patterns:
        return
    found: dict[str, paddle.Tensor] = {}
    for pattern in patterns:
        _layer(model, pattern).register_forward_post_hook(_Keeper(found, pattern))

    def add(layer: nn.Layer, inputs: Any, result: Any) -> Outputs:
        outputs = {**outputs_of(result), **found}
        found.clear()  # nothing is kept longer than its batch
        return outputs

    model.register_forward_post_hook(add)


class _Keeper:
    """Keeps the latest output of a layer under a name."""

    def __init__(self, found: dict[str, paddle.Tensor], name: str) -> None:
        self.found, self.name = found, name

    def __call__(self, layer: nn.Layer, inputs: Any, output: paddle.Tensor) -> None:
        self.found[self.name] = output


def _layer(model: nn.Layer, pattern: str) -> nn.Layer:
    path = re.sub(r"\[(\w+)\]", r".\1", pattern).split(".")
    try:
        layer = reduce(getattr, path, model)
    except AttributeError:
        layer = None
    if not isinstance(layer, nn.Layer):
        children = ", ".join(name for name, _ in model.named_children())
        raise ValueError(
            f"return_patterns: no layer '{pattern}'; the outer ones are {children}; blocks[7] is inside one"
        )
    return layer
