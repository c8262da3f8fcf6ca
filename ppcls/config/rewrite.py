"""Rules that change a composed tree before it is parsed, and how they read and change its nodes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Callable, Optional

from ppcls.config.read import Node, Scalar


@dataclass
class Notes:
    """What the user should know of the changes."""

    said: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)

    def say(self, node: Node, text: str) -> None:
        """Note a line about what stands where the node does."""
        self.said.append(f"{node.where}: {text}")

    def ignore(self, path: str, node: Node) -> None:
        """Note that a key is ignored; one line lists them all."""
        self.ignored.append(f"{path} ({node.where})")

    def lines(self) -> list[str]:
        """Return all of it."""
        together = f"ignored, as PaddleClas ignores them: {', '.join(self.ignored)}"
        return [*self.said, *([together] if self.ignored else [])]


@dataclass(frozen=True)
class Rule:
    """What becomes of each node at `path` ("": the whole tree; `*`: any key or item); None removes it.

    `effect`, in words, and `source`, who says so, are for the documentation.
    """

    path: str
    effect: str
    source: str
    rewrite: Callable[[Node, Notes], Optional[Node]]


def ignored(path: str, source: str) -> Rule:
    """Return a rule for a key that changes nothing: it is removed, and named in the notes."""

    def forget(node: Node, notes: Notes) -> None:
        notes.ignore(path, node)

    return Rule(path, "ignored", source, forget)


def dropped(path: str, values: tuple[Scalar, ...], effect: str, source: str, note: str = "") -> Rule:
    """Return a rule for a key that may have one of these values, which change nothing here."""

    def drop(node: Node, notes: Notes) -> Optional[Node]:
        if not any(node.value == value and type(node.value) is type(value) for value in values):
            return node
        if note:
            notes.say(node, f"{path}: {note}")
        return None

    return Rule(path, f"{' or '.join(f'`{value}`' for value in values)}: {effect}", source, drop)


def renamed(path: str, names: Mapping[str, str], source: str) -> Rule:
    """Return a rule for the name of a part, or for the items of a list of parts."""

    def rename(node: Node, notes: Notes) -> Node:
        if isinstance(node.value, str):
            return Node(names.get(node.value, node.value), node.where)
        if isinstance(node.value, dict):
            return Node({names.get(key, key): c for key, c in node.value.items()}, node.where)
        return node

    return Rule(path, ", ".join(f"`{old}` is `{new}`" for old, new in names.items()), source, rename)


def apply(rules: Sequence[Rule], root: Node) -> tuple[Node, list[str]]:
    """Return the tree after all rules, and what the user should know of the changes."""
    notes = Notes()
    for rule in rules:
        root = _applied(root, rule.path, rule, notes) or root
    return root, notes.lines()


def _applied(node: Node, path: str, rule: Rule, notes: Notes) -> Optional[Node]:
    if not path:
        return rule.rewrite(node, notes)
    key, _, rest = path.partition(".")
    if isinstance(node.value, list) and key == "*":
        items = [_applied(item, rest, rule, notes) for item in node.value]
        return Node([item for item in items if item is not None], node.where)
    if isinstance(node.value, dict):
        below = {k: _applied(c, rest, rule, notes) if key in (k, "*") else c for k, c in node.value.items()}
        return Node({k: c for k, c in below.items() if c is not None}, node.where)
    return node


def get(node: Optional[Node], path: str) -> Optional[Node]:
    """Return what stands at `path` below the node, or None."""
    for key in path.split("."):
        node = node.value.get(key) if node and isinstance(node.value, dict) else None
    return node


def put(node: Node, path: str, new: Node) -> Node:
    """Return the tree with `new` at `path`, below mappings that are there."""
    key, _, rest = path.partition(".")
    assert isinstance(node.value, dict)
    return Node({**node.value, key: put(node.value[key], rest, new) if rest else new}, node.where)


def without(node: Node, key: str) -> Node:
    """Return a mapping without one of its keys."""
    assert isinstance(node.value, dict)
    return Node({k: c for k, c in node.value.items() if k != key}, node.where)


def number(node: Optional[Node]) -> Optional[float]:
    """Return the number that the node is, or None."""
    value = node.value if node else None
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def numbers(node: Optional[Node]) -> list[float]:
    """Return the numbers of a list that has nothing else, or an empty list."""
    found = [number(item) for item in node.value] if node and isinstance(node.value, list) else []
    return [value for value in found if value is not None] if None not in found else []
