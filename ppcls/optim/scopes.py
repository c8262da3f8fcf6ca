"""Several optimizers, each of a part of what is trained and with a schedule of its own."""

import logging
from collections.abc import Sequence
from typing import Any

from paddle import nn

from ppcls.optim.schedule import Schedule
from ppcls.paddle_private import parts_of

logger = logging.getLogger("ppcls")

# The layer of what is trained that holds the losses with weights.
LOSSES = "losses"


class Schedules(Schedule):
    """The schedules of several optimizers; what is told of it is that of the first one."""

    def __init__(self, parts: Sequence[Schedule]) -> None:
        self.parts = parts

    def lr(self, step: int) -> float:
        return self.parts[0].lr(step)

    def set_rate(self, optimizer: Any, step: int) -> None:
        for part, schedule in zip(parts_of(optimizer), self.parts):
            schedule.set_rate(part, step)

    @property
    def warmup_steps(self) -> int:
        return self.parts[0].warmup_steps

    def observe(self, value: float) -> None:
        for part in self.parts:
            part.observe(value)

    def state_dict(self) -> dict[str, Any]:
        return {str(number): part.state_dict() for number, part in enumerate(self.parts)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for number, part in enumerate(self.parts):
            part.load_state_dict(state.get(str(number), {}))


def divided(trained: nn.Layer, model_name: str, scopes: Sequence[str]) -> list[frozenset[str]]:
    """Return the names of the parameters of each scope; those of none are not trained any more.

    A scope is `all`, the name of the model, that of one of its layers, or that of losses with weights.
    Raises ValueError for a scope that has no parameters, or some of another one.
    Source: ppcls/optimizer/__init__.py of PaddleClas 2.6.
    """
    found = [_names_of(trained, model_name, scope) for scope in scopes]
    for number, (scope, names) in enumerate(zip(scopes, found)):
        if not names:
            layers = [name for name, layer in trained.named_children() if layer.parameters() and name != LOSSES]
            raise ValueError(
                f"scope: no parameters; received {scope}; choose all, {model_name}, {', '.join(layers)} or the name of "
                "a loss with weights"
            )
        twice = names & frozenset().union(*found[:number])
        if twice:
            raise ValueError(f"scope: {min(twice)} is in {scope} and in another one; let each have its own")
    rest = {name: parameter for name, parameter in trained.named_parameters() if not any(name in own for own in found)}
    for parameter in rest.values():
        parameter.stop_gradient = True
    if rest:
        logger.warning(f"Optimizer: {len(rest)} parameters are in no scope and stay as they are, such as {min(rest)}")
    return found


def _names_of(trained: nn.Layer, model_name: str, scope: str) -> frozenset[str]:
    names = [name for name, _ in trained.named_parameters()]
    if scope in (model_name, type(trained).__name__):
        return frozenset(name for name in names if not name.startswith(f"{LOSSES}."))
    layers = [f"{scope}."]
    if scope.endswith("Loss"):
        losses = getattr(trained, LOSSES, nn.LayerDict()).named_sublayers(prefix=LOSSES)
        layers = [f"{name}." for name, layer in losses if type(layer).__name__ == scope]
    return frozenset(name for name in names if scope == "all" or name.startswith(tuple(layers)))
