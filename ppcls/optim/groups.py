"""What an optimizer updates, and how much each parameter decays."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Optional, Union

import paddle
from paddle import nn

from ppcls.config.groups import Group
from ppcls.optim.ranges import require
from ppcls.optim.regularizers import L1, L2
from ppcls.registry import Shared


@dataclass(frozen=True)
class Exclusions(Shared):
    """Which parameters weight decay leaves alone, besides those of parameter groups.

    `no_weight_decay_name`: space-separated parts of names in the model's state dict, such as "bn .bias".
    `one_dim_param_no_weight_decay`: biases and normalization weights.
    """

    no_weight_decay_name: Optional[str] = None
    one_dim_param_no_weight_decay: bool = False

    def has(self, name: str, parameter: paddle.Tensor) -> bool:
        """Return whether the parameter of this name is not decayed."""
        parts = (self.no_weight_decay_name or "").split()
        return any(part in name for part in parts) or (self.one_dim_param_no_weight_decay and parameter.ndim == 1)


@dataclass(frozen=True)
class Target:
    """The trainable parameters of `trained`, with what the section of every optimizer may say of them.

    `learning_rate` is that of the first update. Of the `groups`, and then of those of the models in it (their
    `param_groups`), the first that has a parameter and states a setting decides it. `only`: the names of the
    parameters that are meant; None: all.
    """

    trained: nn.Layer
    learning_rate: float
    regularizer: Optional[Union[L1, L2]] = None
    groups: Sequence[Group] = ()
    only: Optional[frozenset[str]] = None

    def named(self) -> list[tuple[str, paddle.Tensor]]:
        """Return the parameters with their names."""
        named = self.trained.named_parameters()
        return [(name, parameter) for name, parameter in named if self.only is None or name in self.only]

    @functools.cached_property
    def _groups(self) -> list[tuple[str, Group]]:
        """All groups in their order, each with the prefix of the names that it is about."""
        layers = self.trained.named_sublayers(include_self=True)
        own = [(prefix, group) for prefix, layer in layers for group in getattr(layer, "param_groups", ())]
        return [*(("", group) for group in self.groups), *own]

    def arguments(self) -> dict[str, Any]:
        """Return what every Paddle optimizer takes, having told the parameters their rates.

        Paddle reads a parameter's rate, and its regularizer, from the parameter: each optimizer sets those anew.
        """
        for name, parameter in self.named():
            factor = self._stated("lr_factor", name)
            if factor is not None:
                parameter.optimize_attr = {**parameter.optimize_attr, "learning_rate": factor}
            if self._stated("frozen", name):
                parameter.stop_gradient = True
        return {"learning_rate": self.learning_rate, "parameters": [p for _, p in self.named()]}

    def decays(self, weight_decay: float, exclusions: Exclusions) -> dict[str, float]:
        """Return the coefficient of each parameter, under the name by which Paddle's optimizers know it."""
        require("weight_decay", weight_decay, 0.0)
        found: dict[str, float] = {}
        for name, parameter in self.named():
            stated = self._stated("weight_decay", name)
            coefficient = 0.0 if exclusions.has(name, parameter) else float(weight_decay)
            found[parameter.name] = coefficient if stated is None else stated
        return found

    def gradient_decay(self, weight_decay: Optional[float], exclusions: Exclusions) -> Optional[Union[L1, L2]]:
        """Return the regularizer for a Paddle optimizer; `weight_decay` is short for L2 with that coefficient.

        Parameters with another coefficient get a regularizer of their own, which Paddle prefers to the optimizer's:
        this keeps Momentum's fused decay, which Paddle's own parameter groups lose.
        """
        if self.regularizer is not None and weight_decay is not None:
            raise ValueError(
                f"weight_decay: stated twice; received weight_decay {weight_decay} beside a regularizer; keep one"
            )
        require("weight_decay", weight_decay or 0.0, 0.0)
        regularizer = L2(coeff=weight_decay) if weight_decay is not None else self.regularizer
        kind, usual = (L2, 0.0) if regularizer is None else (type(regularizer), regularizer.coeff)
        decays = self.decays(usual, exclusions)
        for _, parameter in self.named():
            coefficient = decays[parameter.name]
            parameter.regularizer = None if coefficient == usual else kind(coeff=coefficient)
        return regularizer

    def refuse_regularizer(self, optimizer: str) -> None:
        """Raise ValueError for an optimizer whose decay is a part of its own rule."""
        if self.regularizer is not None:
            kind = type(self.regularizer).__name__
            raise ValueError(f"regularizer: {optimizer} has a decay of its own; received {kind}; use weight_decay")

    def _stated(self, setting: str, name: str) -> Any:
        values = (
            getattr(group, setting)
            for prefix, group in self._groups
            if name.startswith(prefix) and group.has(name[len(prefix) :].lstrip("."))
        )
        return next((value for value in values if value is not None), None)
