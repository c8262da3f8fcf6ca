"""Where each part that a config can name lives; the only such table.

A part is built from `{name: Momentum, momentum: 0.9}`. Its positional-only parameters come from the
builder (`engine/build.py`), all others from the YAML, checked against the constructor's annotations.
Names are known without importing anything; `load` imports the one module that holds the part.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Callable

from ppcls.errors import ConfigError, did_you_mean


@dataclass(frozen=True)
class Part:
    """Something that a registry builds: `{name: Momentum, momentum: 0.9}` or `- CELoss: {epsilon: 0.1}`.

    A field of this type is `Annotated` with the registry of its name. Keys that a subclass adds are the
    config's own; all others are arguments of the constructor, checked against its signature.
    """

    name: str = ""
    # Only what was given; converted to the types of the constructor's signature.
    args: Mapping[str, Any] = field(default_factory=dict)
    # For messages at build time: "configs/my.yaml:12: Optimizer.lr".
    where: str = field(default="", compare=False)


class Registry:
    """The parts of one kind: name -> constructor, imported on demand.

    `modules` maps a module to the names it defines, separated by spaces.
    """

    def __init__(self, kind: str, modules: Mapping[str, str]) -> None:
        self.kind = kind
        self.module_of = {name: module for module, names in modules.items() for name in names.split()}

    def __contains__(self, name: str) -> bool:
        return name in self.module_of

    def names(self) -> list[str]:
        """Return all names, in the order of the table."""
        return list(self.module_of)

    def fault(self, name: str) -> str:
        """Return what is wrong with the unknown `name`, with the nearest known one."""
        known = (
            f"known: {', '.join(self.module_of)}" if len(self.module_of) <= 12 else "docs/configs.md has all of them"
        )
        return f"unknown {self.kind} '{name}'" + (did_you_mean(name, self.module_of) or f"; {known}")

    def load(self, name: str) -> Callable[..., Any]:
        """Import and return the constructor of `name`. Raises ConfigError if it is unknown."""
        if name not in self.module_of:
            raise ConfigError(self.fault(name))
        constructor: Callable[..., Any] = getattr(importlib.import_module(self.module_of[name]), name)
        return constructor

    def build(self, part: Part, *supplied: Any, **overrides: Any) -> Any:
        """Build a part from what the builder has `supplied` and from its YAML arguments.

        Raises ConfigError, with the part's place, for a value that the constructor refuses.
        """
        try:
            return self.load(part.name)(*supplied, **{**part.args, **overrides})
        except ValueError as error:
            raise ConfigError(f"{part.where}: {part.name}: {error}") from error
