"""Metrics are told apart by their names, in lines of the log and in files."""

from collections.abc import Sequence

from ppcls.errors import ConfigError
from ppcls.metrics.base import Metric
from ppcls.registry import Part


def refuse_twins(parts: Sequence[Part], metrics: Sequence[Metric]) -> None:
    """Raise ConfigError if two of the metrics, built from the parts, give numbers of one name, or one is a loss."""
    seen = {"loss": "the losses"}
    for part, metric in zip(parts, metrics):
        for name in metric.names:
            if name in seen:
                raise ConfigError(f"{part.where}: {part.name}: '{name}' already comes from {seen[name]}; remove one")
            seen[name] = f"the {part.name} at {part.where}"
