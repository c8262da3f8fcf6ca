"""The YAML arguments of a part: what its constructor's annotated signature says."""

import dataclasses
import functools
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Callable, get_type_hints

from ppcls.registry import FACTS, is_shared

REQUIRED = inspect.Parameter.empty


@dataclass(frozen=True)
class Argument:
    """An argument of a constructor that the YAML may give; `default` is REQUIRED if it must."""

    annotation: Any
    default: Any


def arguments_of(constructor: Callable[..., Any]) -> dict[str, Argument]:
    """Return the YAML arguments by name: all but the facts that only the builder supplies."""
    return dict(_arguments(constructor))


def called_by(constructor: Callable[..., Any]) -> Callable[..., Any]:
    """Return what a row of a table, a `partial`, calls; the constructor itself where it is none."""
    return constructor.func if isinstance(constructor, functools.partial) else constructor


def _arguments(constructor: Callable[..., Any]) -> Iterator[tuple[str, Argument]]:
    called = called_by(constructor)
    annotated = called.__init__ if isinstance(called, type) else called  # type: ignore[misc]
    hints = get_type_hints(annotated, include_extras=True)
    for name, parameter in inspect.signature(constructor).parameters.items():
        if called is not constructor and parameter.kind is not parameter.KEYWORD_ONLY:
            continue  # a column of a family's table, not an argument
        assert parameter.kind is not parameter.VAR_KEYWORD, f"{constructor}: **{name} would accept any typo"
        hint = hints.get(name, Any)  # a user's own part may have none
        if is_shared(hint):
            inner = get_type_hints(hint, include_extras=True)
            for key in dataclasses.fields(hint):
                default = REQUIRED if key.default is dataclasses.MISSING else key.default
                yield key.name, Argument(inner[key.name], default)
        elif name not in FACTS or parameter.default is not REQUIRED:
            yield name, Argument(hint, parameter.default)
