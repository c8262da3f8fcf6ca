"""Two models on the same images: which answers change, and is that more than chance?"""

import functools
import math
from dataclasses import dataclass
from typing import Optional

import numpy as np
from numpy.typing import NDArray

from ppcls.data.sources.base import LabelledImages
from ppcls.engine import manifest
from ppcls.errors import DataError
from ppcls.report.difference import Difference, between, facts_of
from ppcls.report.evaluation import Evaluation
from ppcls.report.sources import Source


@dataclass(frozen=True)
class Comparison:
    """Evaluations of the same images in one order, by the classes of the first."""

    sources: tuple[Source, Source]
    data: LabelledImages
    first: Evaluation
    second: Evaluation
    differences: list[Difference]

    @functools.cached_property
    def fixed(self) -> NDArray[np.int64]:
        """The images that only the second gets right."""
        return np.flatnonzero(~self.first.right & self.second.right)

    @functools.cached_property
    def broken(self) -> NDArray[np.int64]:
        """The images that only the first gets right."""
        return np.flatnonzero(self.first.right & ~self.second.right)

    @property
    def p(self) -> float:
        """The chance of so uneven a change or a more uneven one if neither is better."""
        return mcnemar(len(self.fixed), len(self.broken))

    def as_text(self) -> str:
        """Return what came out, in lines."""
        names = [str(source.path) for source in self.sources]
        lines = [
            f"{name}: {evaluation.accuracy.value:.4f} right ({evaluation.accuracy.low:.4f} to "
            f"{evaluation.accuracy.high:.4f}) of {len(evaluation.labels)} images"
            for name, evaluation in zip(names, (self.first, self.second))
        ]
        lines.append(
            f"{len(self.fixed)} images become right, {len(self.broken)} become wrong; McNemar's exact p = {self.p:.4g}"
        )
        for one, other in zip(self.first.per_class, self.second.per_class):
            if one.recall != other.recall:
                lines.append(f"  recall of {one.name}: {one.recall.value:.4f} -> {other.recall.value:.4f}")
        lines += [f"  {one.what}: {one.first} -> {one.second}" for one in self.differences]
        return "\n".join(lines)


def mcnemar(fixed: int, broken: int) -> float:
    """Return the exact two-sided p of McNemar's test. Source: https://doi.org/10.1007/BF02295996"""
    total, fewer = fixed + broken, min(fixed, broken)
    ways = sum(math.comb(total, number) for number in range(fewer + 1))
    p: float = min(1.0, 2 * ways / 2**total)
    return p


def compare(first: Source, second: Source, path: Optional[str]) -> Comparison:
    """Compare two models on the images at a path, or on those that the first of them that is a run holds out.

    Raises: DataError for models of other classes, or for no images.
    """
    if sorted(first.class_names) != sorted(second.class_names):
        other = sorted(set(first.class_names) ^ set(second.class_names))
        raise DataError(f"compare: the models know other classes; received {', '.join(other[:5])} in one of them only")
    owner = first if path is not None or first.run is not None else second
    data = owner.data(path)
    one, other_scores = owner.evaluate(data), (second if owner is first else first).evaluate(data)
    if list(one.paths) != list(other_scores.paths):
        raise DataError("compare: one of the models can't use some of the images that the other can; remove these")
    other_names = (second if owner is first else first).class_names
    columns = [list(other_names).index(name) for name in owner.class_names]
    thresholds = np.broadcast_to(other_scores.thresholds, len(columns))[columns]
    scores = other_scores.scores[:, columns]
    two = Evaluation(one.paths, one.labels, scores, one.class_names, thresholds=thresholds)
    made = [manifest.read(source.records) if source.run else {} for source in (first, second)]
    facts = [facts_of(source, facts) for source, facts in zip((first, second), made)]
    if (first.run is None) != (second.run is None):  # or all that is known of a run would differ
        facts = [
            {"what it is": "a run" if one.run else "an export, with nothing of its training"} for one in (first, second)
        ]
    pair = (one, two) if owner is first else (two, one)
    return Comparison((first, second), data, *pair, list(between(*facts)))
