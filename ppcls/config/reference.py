"""Writes docs/configs.md from the sections and from the signatures of all parts.

`python -m ppcls.config.reference > docs/configs.md`
"""

import dataclasses
import inspect
import json
from collections.abc import Iterable, Iterator
from typing import Any, get_args, get_type_hints

from ppcls import data, images, inference, losses, metrics, models, optim
from ppcls.config.deploy import DeployConfig
from ppcls.config.describe import describe
from ppcls.config.parts import keys_of
from ppcls.config.schema import RunConfig
from ppcls.config.signature import REQUIRED, arguments_of, called_by
from ppcls.config.sweep import SweepConfig
from ppcls.registry import Registry

PACKAGES = (models, losses, metrics, optim, data, images, inference)

INTRODUCTION = """\
<!-- Written by `make docs` from ppcls/config/schema.py and the signatures of the parts. -->
# The keys of a config

A config is a YAML file with the sections below; keys that are not here are refused. For an example see
`configs/ResNet50.yaml`; `python tools/train.py -c FILE --print-config` shows what a file comes to.

- `_base_: path` (or a list of paths, relative to the file) puts a file on top of others: mappings merge,
  lists and scalars replace, and so does a mapping whose `name` changes.
- `-o A.B.0.C=value` sets that one key, whether the file has it or not; the value is YAML. To exchange a
  part with its arguments, give it whole: `-o 'Optimizer={name: AdamW, lr: 0.001}'`.
- A part is `{name: Momentum, momentum: 0.9}`, or in a list `- CELoss: {epsilon: 0.1}`, `- ToCHWImage:` or
  `- ToCHWImage`. Besides the keys of its section it takes the arguments listed under [Parts](#parts).
- Numbers may be fractions such as `1.0/255.0`. `on`, `off`, `yes` and `no` are text: write `true` or `false`."""


def registries() -> list[Registry]:
    """Return all tables of parts."""
    return [value for package in PACKAGES for value in list(vars(package).values()) if isinstance(value, Registry)]


def reference() -> str:
    """Return the page."""
    lines = [INTRODUCTION, *_sections(RunConfig)]
    lines += ["", "# Deployment", "", "The YAML of `deploy/python/predict_cls.py`.", *_sections(DeployConfig)]
    lines += ["", "# Sweeps", "", "The YAML of `ppcls sweep`.", "", *_keys(SweepConfig), *_sections(SweepConfig)]
    lines += ["", "# Parts"]
    for kind in registries():
        lines += ["", f"## {kind.kind.capitalize()}", *_parts(kind)]
    return "\n".join(lines) + "\n"


def _sections(root: type) -> Iterator[str]:
    """Yield a table for each section below `root`, once for all the places that it stands at."""
    places: dict[type, list[str]] = {}
    for path, section in _walk(root, ""):
        places.setdefault(section, []).append(path)
    for section, paths in places.items():
        yield from ("", f"## {', '.join(paths)}", "", inspect.getdoc(section) or "", "", *_keys(section))


def _keys(section: type) -> Iterator[str]:
    """Yield the table of a section."""
    hints = get_type_hints(section, include_extras=True)
    rows = []
    for name, field in keys_of(section).items():
        default = REQUIRED if "required" in field.metadata else field.default
        rows.append((name, hints[name], default, field.metadata["doc"]))
    yield from _table(rows)


def _walk(section: type, path: str) -> Iterator[tuple[str, type]]:
    for name, hint in get_type_hints(section, include_extras=True).items():
        inner = next(_sections_in(hint), None) if name in keys_of(section) else None
        if inner:
            below = f"{path}.{name}" if path else name
            yield below, inner
            yield from _walk(inner, below)


def _sections_in(annotation: Any) -> Iterator[type]:
    """Yield the dataclasses with keys of their own inside a type."""
    if dataclasses.is_dataclass(annotation) and isinstance(annotation, type) and keys_of(annotation):
        yield annotation
    for inner in get_args(annotation):
        yield from _sections_in(inner)


def _parts(kind: Registry) -> Iterator[str]:
    """Yield a heading and a table of arguments a part; neighbours with the same arguments share one."""
    shared: list[tuple[list[str], list[str], str]] = []
    for name in kind.module_of:
        constructor = kind.load(name)
        rows = [(key, arg.annotation, arg.default) for key, arg in arguments_of(constructor).items()]
        table = list(_table(rows))
        first_line = (inspect.getdoc(called_by(constructor)) or "").split("\n")[0]
        if shared and shared[-1][1:] == (table, first_line):
            shared[-1][0].append(name)
        else:
            shared.append(([name], table, first_line))
    for names, table, doc in shared:
        yield from ("", f"### {', '.join(names)}", "", doc, "", *table)


def _table(rows: Iterable[tuple[Any, ...]]) -> Iterator[str]:
    rows = list(rows)
    if not rows:
        yield "No arguments."
        return
    titles = ("key", "type", "default", "meaning") if len(rows[0]) == 4 else ("argument", "type", "default")
    yield f"| {' | '.join(titles)} |"
    yield "|---" * len(titles) + "|"
    for name, annotation, default, *doc in rows:
        yield f"| {' | '.join([f'`{name}`', describe(annotation), _default(default), *doc])} |"


def _default(value: Any) -> str:
    if value is REQUIRED:
        return "required"
    if dataclasses.is_dataclass(value):
        return "see there"
    return f"`{json.dumps(value)}`"


if __name__ == "__main__":
    print(reference(), end="")
