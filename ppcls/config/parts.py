"""What a section of the config is made of: keys, parts, and rules for their values."""

import dataclasses
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, Optional

from ppcls.errors import ConfigError


class Rule(ABC):
    """What a value must be, beyond its type; stands in an `Annotated` type, and `str()` says it in words."""

    @abstractmethod
    def fault(self, value: Any) -> str:
        """Return what is wrong with `value`; an empty string if nothing is."""


@dataclass(frozen=True)
class AtLeast(Rule):
    """A rule for a number: `low` or more, or the one value that means 'off'."""

    low: float
    off: Optional[int] = None

    def fault(self, value: Any) -> str:
        return "" if value >= self.low or value == self.off else f"expected {self}; received {value}"

    def __str__(self) -> str:
        return f"at least {self.low:g}" + ("" if self.off is None else f", or {self.off}")


@dataclass(frozen=True)
class Within(Rule):
    """A rule for a number: between `low` and `high`, both included, or `below` high."""

    low: float
    high: float
    below: bool = False

    def fault(self, value: Any) -> str:
        good = self.low <= value <= self.high and not (self.below and value == self.high)
        return "" if good else f"expected {self}; received {value}"

    def __str__(self) -> str:
        return f"at least {self.low:g} and below {self.high:g}" if self.below else f"from {self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Only(Rule):
    """A rule for a key that has one supported value; `reason` says why and what to do."""

    value: Any
    reason: str

    def fault(self, value: Any) -> str:
        return "" if value == self.value else f"{value} is not supported; {self.reason}"

    def __str__(self) -> str:
        return f"only {self.value}"


class NumberList(Rule):
    """One number, or several separated by commas."""

    def fault(self, value: Any) -> str:
        good = re.fullmatch(r"\d+(,\s*\d+)*", str(value))
        return "" if good else f"expected {self}; received the text {value!r}; write for instance '0,1'"

    def __str__(self) -> str:
        return "numbers separated by commas"


@dataclass(frozen=True)
class BareNumber:
    """Lets a plain number stand for the part `name` with that value for its `argument`."""

    name: str
    argument: str


@dataclass(frozen=True)
class Named:
    """Gives a part its name where the YAML does not: the key says it."""

    name: str


def key(default: Any, doc: str) -> Any:
    """Return a dataclass field that is a YAML key; `doc` is its line in docs/configs.md."""
    return field(default=default, metadata={"doc": doc})


def required(doc: str) -> Any:
    """Return a dataclass field that is a YAML key which must be given; the parser never leaves it None."""
    return field(default=None, metadata={"doc": doc, "required": True})


def keys_of(section: type) -> dict[str, "dataclasses.Field[Any]"]:
    """Return the YAML keys of a section or of a kind of part: the fields made by `key` and `required`."""
    return {f.name: f for f in dataclasses.fields(section) if "doc" in f.metadata}


class Root:
    """What the configs of training and of deployment have in common."""

    source: str

    def require(self, path: str, command: str) -> Any:
        """Return the value at `path`, such as "DataLoader.Train". Raises ConfigError if it is not there."""
        value: Any = self
        for name in path.split("."):
            value = getattr(value, name)
            if value is None or value == ():
                raise ConfigError(f"{self.source}: missing key '{path}'; `{command}` needs it")
        return value
