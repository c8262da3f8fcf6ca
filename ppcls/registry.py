"""How names of a config become objects: parts, what the builder knows, and tables of constructors.

A part is built from `{name: Momentum, momentum: 0.9}`. A parameter of its constructor that is named as a field of
`Facts` gets that fact; all others, and those facts that have a default, may be given in the YAML, checked against
the constructor's annotations. Names are known without importing anything: `load` imports the one module needed.
"""

import dataclasses
import importlib
import inspect
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Callable, Optional

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


class Shared:
    """A base of frozen dataclasses: arguments that several parts share, written once.

    A constructor takes one as a single parameter; the YAML gives its fields as the part's own arguments.
    """


@dataclass(frozen=True)
class Facts:
    """What the builder knows, by the names that constructors ask for; None where it is not known yet."""

    class_num: Optional[int] = None
    class_counts: Any = None  # int64 [class_num], how many images of each class there are to see
    label_names: Any = None  # names of the classes by id; empty where there are none
    labels: Any = None  # of all samples of a data set: see ppcls.data.labels
    relabel_lists: Any = None  # paths of the list files of all splits, where their labels are numbered together
    pipeline: Any = None  # ppcls.images.pipeline.Pipeline, of a data set
    exact: Optional[bool] = None  # every sample comes once, on one rank: an evaluation
    seed: Optional[int] = None
    rank: Optional[int] = None
    world_size: Optional[int] = None
    span: Any = None  # ppcls.optim.schedule.Span, the length of the run in epochs and optimizer steps
    target: Any = None  # ppcls.optim.groups.Target, what an optimizer updates


FACTS = frozenset(fact.name for fact in dataclasses.fields(Facts))


class Registry:
    """The parts of one kind: name -> constructor, imported on demand.

    `modules` maps a module to the names it defines, separated by spaces: classes, or rows of its table VARIANTS. A
    name with a colon, `my_pkg.nets:TinyNet`, is a part of the user's own. Others are found in any case where that is
    unambiguous. `composed` are parts that are made of others: found by name too, but none to choose from a list.
    """

    def __init__(self, kind: str, modules: Mapping[str, str], *, composed: Mapping[str, str] = {}) -> None:
        self.kind = kind
        self._composed = {name for names in composed.values() for name in names.split()}
        self.module_of = {name: module for module, names in {**modules, **composed}.items() for name in names.split()}

    def __contains__(self, name: str) -> bool:
        return ":" in name or self.resolve(name) in self.module_of

    def names(self) -> list[str]:
        """Return all names but those of composed parts, in the order of the table."""
        return [name for name in self.module_of if name not in self._composed]

    def resolve(self, name: str) -> str:
        """Return the name as the table spells it; the same text where it has none, or several in other cases."""
        if name in self.module_of:
            return name
        alike = [known for known in self.module_of if known.lower() == name.lower()]
        return alike[0] if len(alike) == 1 else name

    def fault(self, name: str) -> str:
        """Return what is wrong with the unknown `name`, with the nearest known one."""
        known = (
            f"known: {', '.join(self.module_of)}" if len(self.module_of) <= 12 else "docs/configs.md has all of them"
        )
        return f"unknown {self.kind} '{name}'" + (did_you_mean(name, self.module_of) or f"; {known}")

    def load(self, name: str) -> Callable[..., Any]:
        """Import and return the constructor of `name`. Raises ConfigError if it is unknown."""
        if ":" in name:
            return self._load_own(name)
        name = self.resolve(name)
        if name not in self.module_of:
            raise ConfigError(self.fault(name))
        module = importlib.import_module(self.module_of[name])
        constructor: Callable[..., Any] = getattr(module, "VARIANTS", {}).get(name) or getattr(module, name)
        return constructor

    def _load_own(self, dotted: str) -> Callable[..., Any]:
        module, _, name = dotted.partition(":")
        if os.getcwd() not in sys.path:  # as `python -m` has it, also for our scripts and commands
            sys.path.append(os.getcwd())
        try:
            constructor: Callable[..., Any] = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError, ValueError) as error:
            raise ConfigError(
                f"{self.kind} '{dotted}': can't be imported ({error}); give `package.module:Name`, in the folder that "
                "you run from or in PYTHONPATH"
            ) from error
        return constructor

    def build(self, part: Part, facts: Facts = Facts(), **overrides: Any) -> Any:
        """Build a part from the `facts` that its constructor names and from its YAML arguments.

        Raises ConfigError, with the part's place, for a value that the constructor refuses.
        """
        constructor = self.load(part.name)
        given = {**part.args, **overrides}
        arguments: dict[str, Any] = {}
        try:
            for name, parameter in inspect.signature(constructor).parameters.items():
                if is_shared(parameter.annotation):
                    keys = [key.name for key in dataclasses.fields(parameter.annotation) if key.name in given]
                    arguments[name] = parameter.annotation(**{key: given.pop(key) for key in keys})
                elif name in FACTS and (getattr(facts, name) is not None or parameter.default is parameter.empty):
                    arguments[name] = _agreed(name, getattr(facts, name), given)
            return constructor(**arguments, **given)
        except ValueError as error:
            raise ConfigError(f"{part.where}: {part.name}: {error}") from error


def _agreed(name: str, fact: Any, given: dict[str, Any]) -> Any:
    """Return the fact, which the YAML may repeat. Raises ValueError where it contradicts it."""
    said = given.pop(name, fact)
    if said is not fact and said != fact:
        raise ValueError(f"{name}: the model has {fact}; received {said}; omit it")
    return fact


def is_shared(annotation: Any) -> bool:
    """Return whether a parameter of this type stands for the fields of a `Shared` dataclass."""
    return isinstance(annotation, type) and issubclass(annotation, Shared)
