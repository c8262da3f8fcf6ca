"""From which score on each label is an answer, fitted to labelled images that the model was not trained on."""

from dataclasses import replace
from typing import Any, Literal, NamedTuple, Optional

import numpy as np
from numpy.typing import NDArray

from ppcls.report.evaluation import Evaluation


class Goal(NamedTuple):
    """The best F1; or the best recall at a precision of `least` or more; or the best precision at such a recall."""

    measure: Literal["f1", "precision", "recall"] = "f1"
    least: float = 0.0


def fit(scores: NDArray[np.floating[Any]], there: NDArray[np.bool_], goal: Goal) -> Optional[float]:
    """Return the threshold of one label by its scores [N]; None where no image has it, or none reaches the goal.

    It lies in the middle between the lowest score that is an answer and the highest that is not.
    """
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order].astype(np.float64)
    below = np.append(ordered[1:], 0.0)
    # With the first 1, 2, ... N of them as answers, where a threshold can separate these from the others.
    ends = np.flatnonzero((ordered > below) | (np.arange(len(ordered)) == len(ordered) - 1))
    hits, answers, support = there[order].cumsum()[ends], ends + 1, there.sum()
    if not support:
        return None
    precision, recall, f1 = hits / answers, hits / support, 2 * hits / (answers + support)
    if goal.measure == "f1":
        chosen = f1.argmax()
    else:
        reached = np.flatnonzero((precision if goal.measure == "precision" else recall) >= goal.least)
        if not len(reached):
            return None
        other = recall if goal.measure == "precision" else precision
        chosen = reached[other[reached].argmax()]
    return float(ordered[ends[chosen]] + below[ends[chosen]]) / 2


def fit_all(measured: Evaluation, goal: Goal) -> tuple[Evaluation, list[str]]:
    """Return the evaluation at thresholds that are fitted to it, and the labels that keep theirs."""
    columns = zip(measured.scores.T, measured.labels.T > 0)
    found = [fit(scores, there, goal) for scores, there in columns]
    before = np.broadcast_to(measured.thresholds, len(found)).tolist()
    thresholds = [old if new is None else new for new, old in zip(found, before)]
    kept = [name for name, new in zip(measured.class_names, found) if new is None]
    return replace(measured, thresholds=np.array(thresholds)), kept
