"""Precision, recall and their harmonic mean, of each class and averaged, for labels of one class an image."""

from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ppcls.metrics.base import State
from ppcls.metrics.confusion import ConfusionMatrix

Counts = NDArray[np.int64]


class _OfClasses(ConfusionMatrix):
    """A share of each class, and its average.

    `average`: `macro` is the mean over the classes that have images or are an answer, `weighted` that over the images,
    each with the share of its class; `micro` puts the counts of all classes into one share. With `per_class` the
    values of the classes follow by name, as `recall/daisy`. What would be 0 / 0 counts 0.
    """

    what: ClassVar[str]

    def __init__(
        self,
        class_num: int,
        label_names: Sequence[str],
        *,
        average: Literal["macro", "micro", "weighted"] = "macro",
        per_class: bool = False,
    ) -> None:
        super().__init__(class_num)
        self.average = average
        titles = _titles(label_names, class_num) if per_class else []
        self.names = dict.fromkeys([f"{average}_{self.what}", *(f"{self.what}/{title}" for title in titles)], "max")

    @abstractmethod
    def parts(self, right: Counts, sizes: Counts, answers: Counts) -> tuple[Counts, Counts]:
        """Return what the share of each class is of what.

        Of its images and its answers: `right` are those that are both, `sizes` its images, `answers` its answers.
        """

    def compute(self, state: State) -> dict[str, float]:
        matrix = state["matrix"]
        right, sizes, answers = matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0)
        part, whole = self.parts(right, sizes, answers)
        shares = part / np.maximum(whole, 1)
        averages = {
            "macro": shares.sum() / np.maximum(np.count_nonzero(sizes + answers), 1),
            "weighted": (shares * sizes).sum() / np.maximum(sizes.sum(), 1),
            "micro": part.sum() / np.maximum(whole.sum(), 1),
        }
        return dict(zip(self.names, [float(averages[self.average]), *shares.tolist()]))


class Precision(_OfClasses):
    """Of the images with a class as their answer, the share that are of it, as `macro_precision`."""

    what = "precision"

    def parts(self, right: Counts, sizes: Counts, answers: Counts) -> tuple[Counts, Counts]:
        return right, answers


class Recall(_OfClasses):
    """Of the images of a class, the share that have it as their answer, as `macro_recall`."""

    what = "recall"

    def parts(self, right: Counts, sizes: Counts, answers: Counts) -> tuple[Counts, Counts]:
        return right, sizes


class F1(_OfClasses):
    """The harmonic mean of the precision and recall of each class, as `macro_f1`."""

    what = "f1"

    def parts(self, right: Counts, sizes: Counts, answers: Counts) -> tuple[Counts, Counts]:
        return 2 * right, sizes + answers


def _titles(label_names: Sequence[str], class_num: int) -> list[str]:
    """Return a name for each class, no two alike: its number where it has none, name and number where several have."""
    names = [*label_names, *map(str, range(len(label_names), class_num))]
    counts = Counter(names)
    return [f"{name} ({index})" if counts[name] > 1 else name for index, name in enumerate(names)]
