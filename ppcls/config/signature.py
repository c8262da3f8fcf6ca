"""The YAML arguments of a part: what its constructor's annotated signature says."""

import inspect
from dataclasses import dataclass
from typing import Any, Callable, get_type_hints

REQUIRED = inspect.Parameter.empty


@dataclass(frozen=True)
class Argument:
    """An argument of a constructor that the YAML may give; `default` is REQUIRED if it must."""

    annotation: Any
    default: Any


def arguments_of(constructor: Callable[..., Any]) -> dict[str, Argument]:
    """Return the YAML arguments by name: all but the positional-only ones, which the builder supplies."""
    annotated = constructor.__init__ if isinstance(constructor, type) else constructor  # type: ignore[misc]
    hints = get_type_hints(annotated, include_extras=True)
    arguments = {}
    for name, parameter in inspect.signature(constructor).parameters.items():
        if parameter.kind is not parameter.POSITIONAL_ONLY:
            assert parameter.kind is not parameter.VAR_KEYWORD, f"{constructor}: **{name} would accept any typo"
            arguments[name] = Argument(hints[name], parameter.default)
    return arguments
