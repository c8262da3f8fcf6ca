"""Checks that the constructors of several transforms make; each raises ValueError and names the argument."""

from collections.abc import Sequence
from typing import Optional, Union

Color = tuple[int, int, int]


def probability(name: str, value: float) -> float:
    """Return a probability."""
    if not 0 <= value <= 1:
        raise ValueError(f"{name}: must be from 0 to 1; received {value}")
    return value


def rgb(name: str, values: Sequence[int]) -> Color:
    """Return an RGB colour."""
    if len(values) != 3 or min(values) < 0 or max(values) > 255:
        raise ValueError(f"{name}: must be three numbers from 0 to 255; received {list(values)}; e.g. [128, 128, 128]")
    return values[0], values[1], values[2]


def width_height(name: str, size: Union[int, Sequence[int]]) -> tuple[int, int]:
    """Return two positive numbers of pixels, where one number stands for both."""
    pair = (size, size) if isinstance(size, int) else tuple(size)
    if len(pair) != 2 or min(pair) < 1:
        raise ValueError(f"{name}: must be one or two positive numbers of pixels; received {size}; write e.g. 224")
    return pair[0], pair[1]


def interval(name: str, values: Optional[Sequence[float]], default: tuple[float, float]) -> tuple[float, float]:
    """Return two positive numbers in their order."""
    if values is None:
        return default
    if len(values) != 2 or not 0 < values[0] <= values[1]:
        raise ValueError(f"{name}: must be two numbers, 0 < low <= high; received {values}; e.g. {list(default)}")
    return values[0], values[1]
