"""How sure an answer is, measured on labelled images that the model was not trained on.

Scores of a softmax are often too high. What is fitted here makes them mean what they say: a temperature; a score
below which the answer is "none of these"; and a bar above which a class belongs to the set of possible ones.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppcls.config.parts import required
from ppcls.errors import DataError

COVERAGE = 0.9  # of the sets
KEPT = 0.95  # of the right answers, by the bar for rejecting
LEAST_IMAGES = 20
_LOWEST, _HIGHEST = 0.05, 20.0

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Honesty:
    """What was fitted to so many `images`.

    `reject_below`: an answer of a lower score is "none of these"; of the right answers, 95 % are not. `set_above`:
    the classes of at least this score are the set that holds the true class in 90 % of all cases or more. Both are
    meant for scores after the temperature.
    """

    temperature: float = required("of the softmax")
    reject_below: float = required("an answer of a lower score is none of the classes")
    set_above: float = required("classes of at least this score are the set of possible ones")
    images: int = required("how many it was fitted to")

    def calibrated(self, scores: NDArray[np.floating[Any]]) -> Scores:
        """Return softmax scores [N, classes] as they are at the temperature; each row adds up to 1."""
        return _softmax(_logits(scores) / self.temperature)

    def sets(self, calibrated: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
        """Return which classes [N, classes] belong to the sets of calibrated scores; the best one always does."""
        inside: NDArray[np.bool_] = calibrated >= np.minimum(self.set_above, calibrated.max(axis=1, keepdims=True))
        return inside


def fit(scores: NDArray[np.floating[Any]], labels: NDArray[np.int64]) -> Honesty:
    """Fit it to softmax scores [N, classes] of images that the model was not trained on.

    The temperature has the least cross-entropy, with Platt's targets, so that a model that is always right does not
    become surer without bound. The sets are split conformal ones.
    Raises: DataError for too few images.
    Source: https://arxiv.org/abs/1706.04599, section 4.2; Platt (1999), section 2.2; https://arxiv.org/abs/1609.00451
    """
    require_images(len(labels))
    logits = _logits(scores)
    temperature = _temperature(logits, labels)
    calibrated = _softmax(logits / temperature)
    of_label = calibrated[np.arange(len(labels)), labels]
    right = calibrated.argmax(axis=1) == labels
    kept = np.sort(calibrated.max(axis=1)[right])
    reject_below = float(kept[int((1 - KEPT) * len(kept))]) if len(kept) else 0.0
    # The score that all but so many labels reach; with one image more, which is the one that will be asked about.
    missed = len(labels) - math.ceil((len(labels) + 1) * COVERAGE)
    set_above = float(np.sort(of_label)[missed]) if missed >= 0 else 0.0
    return Honesty(temperature, reject_below, set_above, len(labels))


def require_images(count: int) -> None:
    """Raise DataError for too few images to fit anything to."""
    if count < LEAST_IMAGES:
        raise DataError(
            f"calibrate: needs {LEAST_IMAGES} labelled images or more; received {count}; add some, or don't ask"
        )


def _temperature(logits: Scores, labels: NDArray[np.int64]) -> float:
    """Return the temperature: the cross-entropy is convex in its inverse, so that halving finds the least one."""
    classes, doubt = logits.shape[1], 1 / (len(labels) + 2)
    targets = np.full(logits.shape, doubt / max(classes - 1, 1))
    targets[np.arange(len(labels)), labels] = 1 - doubt
    low, high = 1 / _HIGHEST, 1 / _LOWEST
    for _ in range(60):
        middle = (low + high) / 2
        slope = float(((_softmax(logits * middle) - targets) * logits).sum())
        low, high = (middle, high) if slope < 0 else (low, middle)
    return 2.0 / (low + high)


def _logits(scores: NDArray[np.floating[Any]]) -> Scores:
    """Return logits that have these scores; those too small for float32 are taken for its smallest."""
    logits: Scores = np.log(np.maximum(scores.astype(np.float64), np.finfo(np.float32).tiny))
    return logits


def _softmax(logits: Scores) -> Scores:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    found: Scores = powers / powers.sum(axis=1, keepdims=True)
    return found
