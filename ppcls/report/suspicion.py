"""Which labels may be wrong: a closed-form classifier, fitted to the other images, would give another one."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

FOLDS = 5
# Strengths of the regularisation that are tried, as parts of the mean variance of a feature times the images.
_STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0, 10.0)


class Doubts(NamedTuple):
    """How far another class is ahead of each label [N] (positive: it is doubted), and that class."""

    values: NDArray[np.float64]
    instead: NDArray[np.int64]


def of_scores(scores: NDArray[np.floating[Any]], labels: NDArray[np.int64]) -> Doubts:
    """Return the doubts that scores [N, classes] give."""
    rows, others = np.arange(len(labels)), scores.astype(np.float64)
    own = others[rows, labels]
    others[rows, labels] = -np.inf
    instead = others.argmax(axis=1) if others.shape[1] > 1 else labels
    return Doubts(others[rows, instead] - own, instead.astype(np.int64))


def out_of_fold(features: NDArray[np.floating[Any]], labels: NDArray[np.int64], class_num: int) -> Doubts:
    """Return the doubts of ridge regressions on features [N, width], each fitted to the images of the other folds.

    The strength is the one whose answers, out of the folds, agree with the most labels. With fewer images than
    folds there are no doubts.
    """
    if len(labels) < FOLDS:
        return Doubts(np.full(len(labels), -1.0), labels)
    x = features.astype(np.float64)
    deviations = x.std(axis=0)
    x = (x - x.mean(axis=0)) / np.where(deviations > 0, deviations, 1)
    x = np.concatenate([x, np.ones((len(x), 1))], axis=1)
    y = np.eye(class_num)[labels]
    scores = np.zeros((len(_STRENGTHS), len(labels), class_num))
    for fold in _folds(labels):
        rest = ~fold
        values, vectors = np.linalg.eigh(x[rest].T @ x[rest])
        projected, targets = x[fold] @ vectors, vectors.T @ (x[rest].T @ y[rest])
        for place, strength in enumerate(_STRENGTHS):
            shrunk = np.maximum(values, 0) + strength * rest.sum()
            scores[place, fold] = (projected / shrunk) @ targets
    agreeing = (scores.argmax(axis=2) == labels).sum(axis=1)
    return of_scores(scores[len(agreeing) - 1 - int(agreeing[::-1].argmax())], labels)


def _folds(labels: NDArray[np.int64]) -> Iterator[NDArray[np.bool_]]:
    """Yield which images are in each fold; each has its part of every class, drawn the same each time."""
    drawn = np.random.default_rng(0).permutation(len(labels))
    order = drawn[np.argsort(labels[drawn], kind="stable")]
    numbers = np.empty(len(labels), np.int64)
    numbers[order] = np.arange(len(labels)) % FOLDS
    for fold in range(FOLDS):
        yield numbers == fold
