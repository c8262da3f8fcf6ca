"""The one check that numbers from a YAML need beside their type."""

import math


def require(name: str, value: float, low: float, below: float = math.inf) -> None:
    """Raise ValueError unless `low <= value < below`."""
    if not low <= value < below:
        bound = "" if below == math.inf else f" and < {below:g}"
        raise ValueError(f"{name}: out of range; received {value}; give a number >= {low:g}{bound}")
