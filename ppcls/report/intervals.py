"""How sure a share of few images is."""

import math
from typing import NamedTuple

# Of a normal distribution, 95 % lie within so many standard deviations.
_Z = 1.959963984540054


class Share(NamedTuple):
    """A share of counted images, with its interval of 95 % confidence; all 0 to 1."""

    value: float
    low: float
    high: float


def share(part: int, whole: int) -> Share:
    """Return `part` of `whole` with the interval of Wilson; 0 of nothing may be anything.

    Source: https://doi.org/10.1080/01621459.1927.10502953
    """
    if whole == 0:
        return Share(0.0, 0.0, 1.0)
    value, spread = part / whole, _Z**2 / whole
    centre = (value + spread / 2) / (1 + spread)
    half = _Z * math.sqrt(value * (1 - value) / whole + spread / (4 * whole)) / (1 + spread)
    return Share(value, min(value, max(0.0, centre - half)), max(value, min(1.0, centre + half)))


def f1(right: int, wrong: int) -> Share:
    """Return the F1 of a class: `right` images have it as label and answer, `wrong` ones as one of the two.

    The overlap J = right / (right + wrong) is a share, and F1 = 2 J / (1 + J) grows with it: so do the bounds.
    """
    return Share(*(2 * overlap / (1 + overlap) for overlap in share(right, right + wrong)))
