"""What differs between two runs: their configs, data, versions and machines."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import yaml

from ppcls.config import dump_config
from ppcls.report.content import history_of, speed_of
from ppcls.report.sources import Source

# What names the place of a run, and changes nothing in it.
_PLACES = ("Global.output_dir", "Global.save_inference_dir", "Global.pretrained_model", "Global.checkpoints")


class Difference(NamedTuple):
    """A fact of which there are two."""

    what: str
    first: str
    second: str


def flat(value: Any, prefix: str = "") -> dict[str, str]:
    """Return nested mappings and lists as `Global.epochs: 3`, in their order."""
    if isinstance(value, Mapping):
        pairs = [(str(name), inner) for name, inner in value.items()]
    elif isinstance(value, list):
        pairs = [(str(place), inner) for place, inner in enumerate(value)]
    else:
        return {prefix: str(value)}
    found: dict[str, str] = {}
    for name, inner in pairs:
        found.update(flat(inner, f"{prefix}.{name}" if prefix else name))
    return found


def between(first: Mapping[str, str], second: Mapping[str, str]) -> Iterator[Difference]:
    """Yield what differs between flat mappings."""
    for what in dict.fromkeys([*first, *second]):
        if first.get(what) != second.get(what):
            yield Difference(what, first.get(what, "-"), second.get(what, "-"))


def facts_of(source: Source, made: Mapping[str, Any]) -> dict[str, str]:
    """Return what is known of how a model was made, flat."""
    found = {}
    if source.run is not None:
        config, here = flat(yaml.safe_load(dump_config(source.run))), f"{source.run.Global.output_dir}/"
        found = {what: value.removeprefix(here) for what, value in config.items() if what not in _PLACES}
    for name, data in made.get("data", {}).items():
        found[f"images of {name}"] = f"{data['num_images']}"
        found[f"sha256 of {name}"] = data["sha256"]
    for kind in ("packages", "machine"):
        found.update(flat(made.get(kind, {})))
    speed = speed_of(history_of(source.records))
    if speed is not None:
        found["images a second in training"] = f"{speed:.1f}"
    if source.predictor is not None:
        about = source.predictor.artifact
        found.update({"architecture": about.Global.model_name, "engine": source.predictor.about})
    return found
