"""Type annotations in words and by shape."""

import collections.abc
import dataclasses
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from ppcls.config.parts import Rule
from ppcls.registry import Registry

NONE = type(None)
SCALARS = {
    bool: "true or false",
    int: "an integer",
    float: "a number",
    str: "text",
    NONE: "null",
    Any: "anything",
}

PLURALS = {int: "integers", float: "numbers", str: "texts"}


def notes_of(annotation: Any) -> tuple[Any, ...]:
    """Return what an Annotated type is annotated with."""
    return tuple(annotation.__metadata__) if get_origin(annotation) is Annotated else ()


def registry_of(annotation: Any) -> Any:
    """Return the registry that an Annotated part is looked up in, or None."""
    return next((note for note in notes_of(annotation) if isinstance(note, Registry)), None)


def shape(annotation: Any) -> str:
    """Return which shape of YAML node has this type: "sequence", "mapping", "null" or "scalar"."""
    if get_origin(annotation) is Annotated:
        return shape(annotation.__origin__)
    base = get_origin(annotation) or annotation
    if base in (list, tuple, collections.abc.Sequence):
        return "sequence"
    if base in (dict, collections.abc.Mapping) or dataclasses.is_dataclass(base):
        return "mapping"
    return "null" if base is NONE else "scalar"


def describe(annotation: Any) -> str:
    """Return what a value of this type is, in words."""
    origin, args = get_origin(annotation), get_args(annotation)
    if registry_of(annotation):
        kind = registry_of(annotation).kind
        return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"
    if origin is Annotated:
        rules = [f", {note}" for note in notes_of(annotation) if isinstance(note, Rule)]
        return describe(args[0]) + "".join(rules)
    if origin in (Union, Literal):
        return " or ".join(describe(arg) if origin is Union else repr(arg) for arg in args)
    if shape(annotation) == "sequence":
        if origin is tuple and args[-1] is not Ellipsis:
            return f"a list of {len(args)}"
        return f"a list of {PLURALS.get(args[0], 'items, each ' + describe(args[0]))}" if args else "a list"
    return SCALARS.get(annotation, "a mapping")
