"""Thresholds of the labels, beside a search through all that could be."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from ppcls.report.evaluation import Evaluation
from ppcls.report.thresholds import Goal, fit, fit_all


def labels_and_scores() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield labels that the scores tell more or less of, with many equal scores, and some that all or one image has."""
    rng = np.random.default_rng(0)
    for number in range(40):
        there = rng.random(30) < (0.02, 0.3, 0.5, 1.0)[number % 4]
        there[number % 30] = True
        scores = (there * rng.random() + rng.random(30)).clip(0, 1)
        yield there, scores.round(1 + number % 3).astype("float32")


def measure(scores: np.ndarray, there: np.ndarray, threshold: float) -> dict[str, float]:
    found = scores >= threshold
    hits = (found & there).sum()
    precision, recall = hits / max(found.sum(), 1), hits / there.sum()
    return {"precision": precision, "recall": recall, "f1": 2 * hits / (found.sum() + there.sum())}


@pytest.mark.parametrize(("wanted", "other"), [("precision", "recall"), ("recall", "precision"), ("f1", "f1")])
def test_no_other_threshold_is_better(wanted: Any, other: str) -> None:
    for there, scores in labels_and_scores():
        goal = Goal(wanted, 0.0 if wanted == "f1" else 0.8)
        all_of_them = [measure(scores, there, threshold) for threshold in np.unique(scores)]
        good = [one for one in all_of_them if one[wanted] >= goal.least]
        threshold = fit(scores, there, goal)
        if not good:
            assert threshold is None
            continue
        assert threshold is not None
        found = measure(scores, there, threshold)
        assert found[wanted] >= goal.least
        assert found[other] == max(one[other] for one in good)
        assert np.abs(scores - threshold).min() > 1e-4 or scores.min() == 0  # not where rounding decides


def test_labels_that_nothing_is_known_of_keep_their_threshold() -> None:
    scores = np.array([[0.9, 0.2, 0.3], [0.8, 0.1, 0.6], [0.1, 0.3, 0.5]], "float32")
    labels = np.array([[1, 0, 1], [1, 0, 0], [0, 0, 0]])
    measured = Evaluation(["a", "b", "c"], labels, scores, ["x", "y", "z"], thresholds=np.array([0.95, 0.4, 0.7]))
    found, kept = fit_all(measured, Goal("precision", 0.9))
    assert kept == ["y", "z"]
    assert [row.threshold for row in found.per_class] == pytest.approx([0.45, 0.4, 0.7])
    assert found.predicted.tolist() == [[1, 0, 0], [1, 0, 0], [0, 0, 0]]
