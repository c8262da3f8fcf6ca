"""Nodes -> typed values: one function, for sections and for arguments of parts alike."""

import dataclasses
import math
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from ppcls.config.describe import NONE, describe, notes_of, registry_of, shape
from ppcls.config.faults import Faults
from ppcls.config.parts import BareNumber, Named, Rule, keys_of
from ppcls.config.read import Node, received
from ppcls.config.signature import REQUIRED, arguments_of
from ppcls.errors import did_you_mean

# PaddleClas writes `scale: 1.0/255.0`, which YAML reads as text.
_NUMBER = r"((?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
FRACTION = re.compile(rf"([-+]?){_NUMBER}\s*/\s*{_NUMBER}", re.ASCII)


def parse(node: Node, annotation: Any, path: str, faults: Faults) -> Any:
    """Return the value of `node` as `annotation` types it; what is wrong goes to `faults`.

    `path` is the dotted key for messages. The result means nothing if a fault was added.
    """
    origin = get_origin(annotation)
    if registry_of(annotation):
        return _parse_part(node, annotation, path, faults)
    if origin is Annotated:
        return _parse_ruled(node, annotation, path, faults)
    if origin is Union:
        return _parse_union(node, annotation, path, faults)
    if origin is Literal:
        if any(node.value == choice and type(node.value) is type(choice) for choice in get_args(annotation)):
            return node.value
        return _expected(node, annotation, path, faults, _nearest(node, get_args(annotation)))
    if annotation is Any:
        return plain(node)
    if shape(annotation) == "sequence":
        return _parse_sequence(node, annotation, path, faults)
    if shape(annotation) == "mapping":
        parse_mapping = _parse_section if dataclasses.is_dataclass(annotation) else _parse_dict
        return parse_mapping(node, annotation, path, faults)
    return _parse_number(node, path, faults) if annotation is float else _parse_scalar(node, annotation, path, faults)


def _expected(node: Node, annotation: Any, path: str, faults: Faults, hint: str = "") -> Any:
    faults.add(node.where, f"{path}: expected {describe(annotation)}; received {received(node)}{hint}")


def _nearest(node: Node, choices: Iterable[Any]) -> str:
    return did_you_mean(node.value, map(str, choices)) if isinstance(node.value, str) else ""


def _parse_ruled(node: Node, annotation: Any, path: str, faults: Faults) -> Any:
    before = len(faults.found)
    value = parse(node, annotation.__origin__, path, faults)
    for rule in notes_of(annotation):
        if isinstance(rule, Rule) and value is not None and len(faults.found) == before:
            fault = rule.fault(value)
            if fault:
                faults.add(node.where, f"{path}: {fault}")
    return value


def _parse_union(node: Node, annotation: Any, path: str, faults: Faults) -> Any:
    shapes: dict[type, str] = {list: "sequence", dict: "mapping", NONE: "null"}
    members = [m for m in get_args(annotation) if shape(m) == shapes.get(type(node.value), "scalar")]
    if len(members) == 1:
        return parse(node, members[0], path, faults)
    for member in members:
        trial = Faults()
        value = parse(node, member, path, trial)
        if not trial.found:
            return value
    return _expected(node, annotation, path, faults)


def _parse_sequence(node: Node, annotation: Any, path: str, faults: Faults) -> Any:
    args = get_args(annotation) or (Any, ...)
    registry = registry_of(args[0])
    items = [] if registry and node.value is None else node.value
    if not isinstance(items, list):
        hint = f"; write '- {registry.names()[0]}: {{...}}'" if registry else ""
        return _expected(node, annotation, path, faults, hint)
    fixed = get_origin(annotation) is tuple and args[-1] is not Ellipsis
    if fixed and len(items) != len(args):
        return _expected(node, annotation, path, faults)
    types = args if fixed else args[:1] * len(items)
    parse_item = _parse_listed_part if registry else parse
    values = [parse_item(item, kind, f"{path}.{i}", faults) for i, (item, kind) in enumerate(zip(items, types))]
    return values if list in (annotation, get_origin(annotation)) else tuple(values)


def _parse_dict(node: Node, annotation: Any, path: str, faults: Faults) -> Any:
    if not isinstance(node.value, dict):
        return _expected(node, annotation, path, faults)
    kind = (get_args(annotation) or (str, Any))[1]
    return {name: parse(child, kind, f"{path}.{name}", faults) for name, child in node.value.items()}


def _parse_scalar(node: Node, annotation: Any, path: str, faults: Faults) -> Any:
    value = node.value
    if type(value) is annotation:
        return value
    hint = ""
    if annotation is str:
        hint = "; put it in quotes" if isinstance(value, (bool, int, float)) else ""
    elif isinstance(value, str) and re.fullmatch(r"[-+]?(0|[1-9]\d*)|true|false", value, re.I):
        hint = "; write it without quotes"
    return _expected(node, annotation, path, faults, hint)


def _parse_number(node: Node, path: str, faults: Faults) -> Any:
    value, hint = node.value, ""
    if isinstance(value, str):
        fraction = FRACTION.fullmatch(value.strip())
        if fraction and float(fraction[3]):
            value = float(fraction[1] + fraction[2]) / float(fraction[3])
        elif re.fullmatch(f"[-+]?{_NUMBER}", value):
            hint = "; write it without quotes"
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    return _expected(node, float, path, faults, hint)


def plain(node: Node) -> Any:
    """Return the value of a node and of those below it, as YAML has it."""
    if isinstance(node.value, dict):
        return {name: plain(child) for name, child in node.value.items()}
    return [plain(item) for item in node.value] if isinstance(node.value, list) else node.value


def _parse_section(node: Node, section: Any, path: str, faults: Faults) -> Any:
    if not isinstance(node.value, dict):
        return _expected(node, section, path, faults)
    before = len(faults.found)
    values = _parse_keys(node, section, path, faults)
    for name in node.value:
        if name not in keys_of(section):
            full = f"{path}.{name}" if path else name
            faults.add(node.value[name].where, f"unknown key '{full}'{_known(name, keys_of(section))}")
    return section(**values) if len(faults.found) == before else None


def _parse_keys(node: Node, section: Any, path: str, faults: Faults) -> dict[str, Any]:
    """Return the values of those keys of a section (or of a part's class) that the node has."""
    assert isinstance(node.value, dict)
    hints = get_type_hints(section, include_extras=True)
    values = {}
    for name, field in keys_of(section).items():
        child, full = node.value.get(name), f"{path}.{name}" if path else name
        required = "required" in field.metadata
        if child is None:
            if required:
                faults.add(node.where, f"missing key '{full}', {describe(hints[name])}; add it")
        # `Metric:` with nothing below it is a section left empty: as if it were not there.
        elif child.value is not None or shape(hints[name]) == "scalar" or required:
            values[name] = parse(child, hints[name], full, faults)
    return values


def _known(word: str, choices: Iterable[str]) -> str:
    """Return the nearest choice, or all of them if they are few."""
    names = list(choices)
    few = "; known: " + ", ".join(names) if len(names) <= 12 else "; see docs/configs.md for the known ones"
    return did_you_mean(word, names) or few


def _parse_part(node: Node, annotation: Any, path: str, faults: Faults) -> Any:
    """Parse `{name: Momentum, momentum: 0.9}`."""
    arguments = node.value
    for note in notes_of(annotation):
        if isinstance(note, BareNumber) and isinstance(arguments, (int, float)):
            arguments = {"name": Node(note.name, node.where), note.argument: node}
        if isinstance(note, Named) and isinstance(arguments, dict):
            arguments = {"name": Node(note.name, node.where), **arguments}
    if not isinstance(arguments, dict):
        hint = f"; write a mapping such as {{name: {registry_of(annotation).names()[0]}}}"
        return _expected(node, annotation, path, faults, hint)
    given = dict(arguments)
    name = given.pop("name", None)
    if name is None:
        return faults.add(node.where, f"missing key '{path}.name', {describe(annotation)}; add it")
    if not isinstance(name.value, str):
        return _expected(name, annotation, f"{path}.name", faults)
    return _build_part(name.value, name, Node(given, node.where), annotation, path, faults)


def _parse_listed_part(node: Node, annotation: Any, path: str, faults: Faults) -> Any:
    """Parse an item of a list of parts: `CELoss: {epsilon: 0.1}`, `ToCHWImage:` or plain `ToCHWImage`."""
    if isinstance(node.value, str):
        return _build_part(node.value, node, Node({}, node.where), annotation, path, faults)
    if not isinstance(node.value, dict) or len(node.value) != 1:
        hint = "; write '- Name: {argument: value}', one part an item"
        return _expected(node, annotation, path, faults, hint)
    ((name, arguments),) = node.value.items()
    if arguments.value is not None and not isinstance(arguments.value, dict):
        hint = f"; write '- {name}: {{argument: value}}'"
        return _expected(arguments, dict, f"{path}.{name}", faults, hint)
    given = Node(arguments.value or {}, arguments.where)
    return _build_part(name, given, given, annotation, f"{path}.{name}", faults)


def _build_part(name: str, named_at: Node, given: Node, annotation: Any, path: str, faults: Faults) -> Any:
    """Return the part `name` with the keys `given`: those of its class, and arguments of its constructor."""
    cls, registry = annotation.__origin__, registry_of(annotation)
    assert isinstance(given.value, dict)
    before = len(faults.found)
    own = _parse_keys(given, cls, path, faults)
    rest = Node({key: child for key, child in given.value.items() if key not in keys_of(cls)}, given.where)
    if name not in registry:
        return faults.add(named_at.where, f"{path}: {registry.fault(name)}")
    name = registry.resolve(name)
    args = _parse_arguments(rest, name, registry.load(name), keys_of(cls), path, faults)
    return cls(name, args, f"{given.where}: {path}", **own) if len(faults.found) == before else None


def _parse_arguments(
    node: Node, name: str, constructor: Any, own: Mapping[str, Any], path: str, faults: Faults
) -> dict[str, Any]:
    arguments = arguments_of(constructor)
    args = {}
    assert isinstance(node.value, dict)
    for key, child in node.value.items():
        if key in arguments:
            args[key] = parse(child, arguments[key].annotation, f"{path}.{key}", faults)
        else:
            hint = _known(key, [*arguments, *own]) if arguments else "; it takes none"
            faults.add(child.where, f"{path}: unknown argument of {name} '{key}'{hint}")
    for key, argument in arguments.items():
        if argument.default is REQUIRED and key not in args:
            faults.add(node.where, f"{path}: {name} needs '{key}', {describe(argument.annotation)}; add it")
    return args
