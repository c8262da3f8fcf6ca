"""YAML and `-o` options -> a checked config, and back."""

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, Optional, TypeVar, Union

import yaml

from ppcls.config import dialect, rewrite
from ppcls.config.deploy import DeployConfig
from ppcls.config.faults import Faults, Where
from ppcls.config.parse import parse, plain
from ppcls.config.parts import keys_of
from ppcls.config.read import Node, add_resolvers, apply_options, bundled, compose, read_config
from ppcls.config.schema import RunConfig
from ppcls.config.sweep import SweepConfig
from ppcls.registry import Part

Config = TypeVar("Config", RunConfig, DeployConfig, SweepConfig)
RULES = {RunConfig: dialect.RUN_RULES, DeployConfig: dialect.DEPLOY_RULES, SweepConfig: dialect.SWEEP_RULES}


def load_config(path: Optional[str], overrides: Sequence[str] = ()) -> RunConfig:
    """Return the config of a run: the YAML at `path` (or none), changed by `overrides` such as "Global.epochs=2".

    Raises ConfigError with all faults, a line each.
    """
    return _load(RunConfig, path, overrides)


def load_deploy_config(path: Optional[str], overrides: Sequence[str] = ()) -> DeployConfig:
    """Return the config of a deployed model's prediction, as `load_config` does for a run; `path` may be None."""
    return _load(DeployConfig, path, overrides)


def load_sweep_config(path: str, overrides: Sequence[str] = ()) -> SweepConfig:
    """Return the config of a sweep, as `load_config` does for a run."""
    return _load(SweepConfig, path, overrides)


def _load(kind: type[Config], path: Optional[str], overrides: Sequence[str]) -> Config:
    faults = Faults()
    taken = path and _found(path)
    root, notes = rewrite.apply(RULES[kind], read_config(taken, overrides, faults))
    config: Config = parse(root, kind, "", faults)
    if kind is RunConfig:
        _check_class_num(root, faults)
    faults.raise_if_any()
    if taken != path:
        notes.insert(0, f"{path}: no such file; took {taken}")
    return dataclasses.replace(config, source=path or "-o", notes=tuple(notes))


def overridden(content: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Return sections of a config as plain values, changed by `overrides` such as "Global.epochs=2".

    Raises ConfigError for those that can't be applied.
    """
    faults = Faults()
    root = apply_options(compose(dump(dict(content)), lambda line: Where("config", line)), overrides, faults)
    faults.raise_if_any()
    changed: dict[str, Any] = plain(root)
    return changed


def as_overrides(options: Mapping[str, Any]) -> list[str]:
    """Return options as they are written after -o."""
    return [f"{key}={json.dumps(value)}" for key, value in options.items()]


def _found(path: str) -> str:
    """Return `path`, or where PaddleClas's `ppcls/configs/.../NAME.yaml` isn't there our config of that name."""
    ours = bundled("", f"configs/{os.path.basename(path)}")
    theirs = "ppcls/configs/" in path and not os.path.exists(path)
    return ours if theirs and os.path.exists(ours) else path


def _check_class_num(root: Node, faults: Faults) -> None:
    """`Global.class_num` is the old place of `Arch.class_num`; the two must not contradict each other."""
    old, new = rewrite.get(root, "Global.class_num"), rewrite.get(root, "Arch.class_num")
    if old and new and old.value is not None and old.value != new.value:
        text = f"Global.class_num: {old.value} contradicts Arch.class_num: {new.value} ({new.where}); remove it"
        faults.add(old.where, text)


class _Dumper(yaml.SafeDumper):
    """Puts text in quotes that our reader or any other would take for something else."""

    # One copy; or the same tuple twice in a config would be written as an alias.
    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_mapping(self, tag: str, mapping: Any, flow_style: Optional[bool] = None) -> yaml.MappingNode:
        return super().represent_mapping(tag, mapping, False if len(mapping) > 5 else flow_style)


add_resolvers(_Dumper)


def dump_config(config: Union[RunConfig, DeployConfig]) -> str:
    """Return the config as YAML, defaults written out; it loads to an equal object."""
    lines = [f"Resolved from {config.source}", *config.notes]
    head = "".join(f"# {line.encode('unicode_escape').decode()}\n" for line in lines)
    return head + dump(_plain(config))


def dump(content: Any) -> str:
    """Return mappings, sequences and plain values as YAML that our reader takes for the same."""
    text: str = yaml.dump(
        content, Dumper=_Dumper, sort_keys=False, default_flow_style=None, allow_unicode=True, width=100
    )
    return text


def _plain(value: Any) -> Any:
    """Return a section, a part or a value as `load_config` reads it."""
    if isinstance(value, Part):
        return {"name": value.name, **_plain(value.args), **_keys(value)}
    if dataclasses.is_dataclass(value):
        return _keys(value)
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [listed(item) if isinstance(item, Part) else _plain(item) for item in value]
    return value


def listed(part: Part) -> dict[str, Any]:
    """Return a part in the form of lists, `{"ResizeImage": {"resize_short": 256}}`."""
    return {part.name: {**_plain(part.args), **_keys(part)}}


def _keys(section: Any) -> dict[str, Any]:
    return {name: _plain(getattr(section, name)) for name in keys_of(type(section))}
