"""YAML files, `_base_` and `-o` options -> one tree of nodes that know where they were written.

The YAML is composed, not loaded: positions survive, duplicate keys are refused, and scalars follow YAML 1.2
(`1e-3` is a number; `on`, `yes` and `08` are text), so that nothing changes its meaning unseen. `None` is null too.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, NoReturn, Optional, Union

import yaml

from ppcls.config.faults import Faults, Where
from ppcls.errors import ConfigError, did_you_mean

Scalar = Union[None, bool, int, float, str]

# A config has hundreds of nodes; a file of nested aliases can mean billions.
MAX_NODES = 100_000

TAG = "tag:yaml.org,2002:"
# (tag, plain scalars that have it, their possible first characters)
_RESOLVERS = tuple(
    (TAG + tag, re.compile(rf"(?:{scalar})\Z"), first)
    for tag, scalar, first in (
        ("null", r"~|null|Null|NULL|None|", ["~", "n", "N", ""]),
        ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
        ("int", r"[-+]?(?:0|[1-9][0-9]{0,17})", list("-+0123456789")),
        ("float", r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?", list("-+.0123456789")),
        ("float", r"[-+]?[0-9]+[eE][-+]?[0-9]+|[-+]?\.inf|\.nan", list("-+.0123456789")),
        ("merge", r"<<", ["<"]),
    )
)


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}


def add_resolvers(yaml_class: Any) -> None:
    """Let a loader or a dumper of PyYAML know the plain scalars that have a tag here."""
    for tag, pattern, first in _RESOLVERS:
        yaml_class.add_implicit_resolver(tag, pattern, first)


add_resolvers(_Loader)


@dataclass(frozen=True)
class Node:
    """A value of the YAML: a scalar, a list of nodes or a mapping of nodes, and where it was written."""

    value: Union[Scalar, list["Node"], dict[str, "Node"]]
    where: Where


def read_config(path: Optional[str], overrides: Sequence[str], faults: Faults) -> Node:
    """Return the tree of the file at `path` (None: of no file) over its bases, changed by the `-o` options.

    Options that can't be applied go to `faults`. Raises ConfigError for a file that can't be read.
    """
    root = Node({}, Where("-o")) if path is None else _read_file(bundled("", path), chain=(), asked_at=None)
    return apply_options(root, overrides, faults)


def apply_options(root: Node, overrides: Sequence[str], faults: Faults) -> Node:
    """Return the tree changed by the `-o` options; those that can't be applied go to `faults`."""
    for option in overrides:
        try:
            root = _apply_option(root, option)
        except ConfigError as error:
            faults.add(Where(f"-o {option}"), str(error))
    return root


def compose(text: str, where_at: Callable[[int], Where]) -> Node:
    """Return the tree of one YAML document; `where_at` names the place of a line, counted from 1.

    Raises ConfigError with place and reason.
    """
    try:
        root = yaml.compose(text, Loader=_Loader)
        return Node(None, where_at(1)) if root is None else _Walk(where_at).node(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = where_at(mark.line + 1 if mark else 0)
        raise ConfigError(f"{place}: not valid YAML: {_problem(error)}") from None
    except yaml.reader.ReaderError as error:
        raise ConfigError(f"{where_at(0)}: not a YAML text; it has the character {chr(error.character)!r}") from None
    except RecursionError:
        raise ConfigError(f"{where_at(0)}: nested too deep, or an alias that contains itself") from None


def _problem(error: yaml.MarkedYAMLError) -> str:
    # "expected a single document in the stream" + "but found another document": half of it says nothing.
    halves = [error.context, error.problem] if str(error.problem).startswith("but ") else [error.problem]
    return " ".join(map(str, halves))


class _Walk:
    """Turns composed YAML nodes into ours."""

    def __init__(self, where_at: Callable[[int], Where]) -> None:
        self.where_at = where_at
        self.num_nodes = 0

    def node(self, node: yaml.Node) -> Node:
        return Node(self.value(node), self.where(node))

    def where(self, node: yaml.Node) -> Where:
        return self.where_at(node.start_mark.line + 1)

    def fail(self, node: yaml.Node, text: str) -> NoReturn:
        raise ConfigError(f"{self.where(node)}: {text}")

    def value(self, node: yaml.Node) -> Any:
        self.num_nodes += 1
        if self.num_nodes > MAX_NODES:
            self.fail(node, f"more than {MAX_NODES} values; do aliases (*name) multiply each other?")
        kind = node.tag[len(TAG) :] if node.tag.startswith(TAG) else node.tag
        if isinstance(node, yaml.MappingNode) and kind == "map":
            return self.mapping(node)
        if isinstance(node, yaml.SequenceNode) and kind == "seq":
            return [self.node(item) for item in node.value]
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node, kind)
        self.fail(node, f"the YAML tag '{kind}' is not supported; remove it")

    def mapping(self, node: yaml.MappingNode) -> dict[str, Node]:
        own: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        for key, value in node.value:
            if key.tag == TAG + "merge":
                for name, child in self.merged(value):
                    merged.setdefault(name, child)
            elif not isinstance(key, yaml.ScalarNode):
                self.fail(key, "a key must be text; received a list or a mapping")
            elif key.value in own:
                self.fail(key, f"duplicate key '{key.value}'; first given at {own[key.value].where}; remove one")
            else:
                # A child stands where its key stands: that is the line a reader looks for.
                own[key.value] = Node(self.value(value), self.where(key))
        return {**merged, **own}

    def merged(self, node: yaml.Node) -> list[tuple[str, Node]]:
        """Return what `<<: *alias` or `<<: [*one, *two]` brings; the first of a list wins."""
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        pairs: list[tuple[str, Node]] = []
        for source in sources:
            if not isinstance(source, yaml.MappingNode):
                self.fail(source, "'<<' merges mappings; received something else")
            pairs += self.value(source).items()
        return pairs

    def text(self, node: yaml.ScalarNode) -> str:
        try:  # JSON escapes a character such as an emoji as two halves, which YAML takes for two
            text = str(node.value).encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            self.fail(node, f"{node.value!r} has half a character; write it whole")
        if "\0" in text:
            self.fail(node, f"{text!r} has a NUL character, which no name or path can hold; remove it")
        return text

    def scalar(self, node: yaml.ScalarNode, kind: str) -> Scalar:
        text: str = node.value
        lower = text.lower()
        if kind == "str" or kind == "merge":
            return self.text(node)
        if kind == "null":
            return None
        if kind == "bool" and lower in ("true", "false"):
            return lower == "true"
        try:
            if kind == "int":
                return int(text)
            if kind == "float":
                return float(lower.replace(".inf", "inf").replace(".nan", "nan"))
        except ValueError:
            self.fail(node, f"the YAML tag '{kind}' does not fit '{text}'")
        self.fail(node, f"the YAML tag '{kind}' is not supported here; remove it")


def _read_file(path: str, chain: tuple[str, ...], asked_at: Optional[Where]) -> Node:
    """Read the file and, below it, its `_base_` files. `chain`: the files whose bases are being read."""
    prefix = f"{asked_at}: _base_: " if asked_at else ""
    shown = os.path.normpath(path) if asked_at else path
    if os.path.realpath(path) in map(os.path.realpath, chain):
        raise ConfigError(f"{prefix}{shown} is its own base; remove one '_base_' of the circle")
    root = compose(_read_text(path, shown, prefix), lambda line: Where(shown, line))
    if not isinstance(root.value, dict):
        raise ConfigError(f"{shown}: expected sections such as 'Arch:'; received {received(root)}")
    own = dict(root.value)
    tree: Optional[Node] = None
    for base in _base_paths(own.pop("_base_", None)):
        below = _read_file(bundled(os.path.dirname(path), str(base.value)), (*chain, path), base.where)
        tree = below if tree is None else merge(tree, below)
    top = Node(own, root.where)
    return top if tree is None else merge(tree, top)


def bundled(folder: str, path: str) -> str:
    """Return `path` from a folder, or for a `configs/NAME.yaml` that isn't there the one that came with ppcls."""
    from_folder = os.path.join(folder, path)
    if os.path.exists(from_folder) or not os.path.normpath(path).startswith("configs/"):
        return from_folder
    package = Path(__file__).parents[1]
    own = [parent / path for parent in (package, package.parent)]  # in a wheel, beside the package in a checkout
    return next((str(file) for file in own if file.is_file()), from_folder)


def _base_paths(node: Optional[Node]) -> list[Node]:
    if node is None:
        return []
    paths = node.value if isinstance(node.value, list) else [node]
    for path in paths:
        if not isinstance(path.value, str):
            raise ConfigError(f"{path.where}: _base_: expected a path or a list of paths; received {received(path)}")
    return paths


def _read_text(path: str, shown: str, prefix: str) -> str:
    try:
        return Path(path).read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        folder = Path(path).parent
        siblings = [file.name for file in folder.glob("*.y*ml")]
        hint = did_you_mean(Path(path).name, siblings)
        raise ConfigError(f"{prefix}{shown}: no such file{hint}") from None
    except IsADirectoryError:
        raise ConfigError(f"{prefix}{shown}: is a folder; give a YAML file") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{prefix}{shown}: not a YAML text; it is not UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{prefix}{shown}: can't be read: {error.strerror}") from None


def merge(base: Node, top: Node) -> Node:
    """Return `base` overlaid by `top`: mappings merge, unless their `name` changes; all else replaces."""
    if not (isinstance(base.value, dict) and isinstance(top.value, dict)):
        return top
    old, new = base.value.get("name"), top.value.get("name")
    if old and new and old.value != new.value:
        return top
    merged = dict(base.value)
    for key, child in top.value.items():
        merged[key] = merge(merged[key], child) if key in merged else child
    return Node(merged, top.where)


def _apply_option(root: Node, option: str) -> Node:
    """Return `root` with `A.B.0.C=value` done. Raises ConfigError without the place, which is the option."""
    path, equals, text = option.partition("=")
    keys = path.strip().split(".")
    if not equals:
        raise ConfigError("expected KEY=VALUE, for instance Global.epochs=2; received no '='")
    if not all(keys):
        raise ConfigError("a key is empty; expected KEY=VALUE, for instance Global.epochs=2")
    where = Where(f"-o {option}")
    try:
        value = compose(text, lambda line: where)
    except ConfigError as error:
        raise ConfigError(str(error)[len(f"{where}: ") :] + "; put text with special characters in quotes") from None
    return _put(root, keys, 0, value)


def _put(node: Node, keys: list[str], at: int, new: Node) -> Node:
    """Return `node` with `new` below it at `keys[at:]`; sections that are not there are added."""
    if at == len(keys):
        return merge(node, new)
    key, here = keys[at], ".".join(keys[:at])
    if isinstance(node.value, list):
        if not key.isdecimal() or int(key) >= len(node.value):
            raise ConfigError(f"'{here}' is a list of {len(node.value)}, counted from 0; it has no item '{key}'")
        items = list(node.value)
        items[int(key)] = _put(items[int(key)], keys, at + 1, new)
        return Node(items, node.where)
    if node.value is not None and not isinstance(node.value, dict):
        raise ConfigError(f"'{here}' is not a section but {received(node)}, at {node.where}; it has no '{key}'")
    children = dict(node.value or {})
    children[key] = _put(children.get(key, Node(None, new.where)), keys, at + 1, new)
    return Node(children, node.where)


def received(node: Node) -> str:
    """Return the value of a node as a message shows it."""
    value = node.value
    if isinstance(value, dict):
        return f"a mapping of {', '.join(value) or 'nothing'}"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, str):
        return f"the text {value!r}" if len(value) <= 60 else f"the text {value[:57]!r}..."
    return "nothing" if value is None else str(value).lower()
