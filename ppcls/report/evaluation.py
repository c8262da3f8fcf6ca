"""What a model says of labelled images, and what follows from that."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Optional, Union

import numpy as np
from numpy.typing import NDArray

from ppcls.data.sources.base import LabelledImages
from ppcls.errors import DataError
from ppcls.files import write_text
from ppcls.metrics.calibration import Bin, bins_of
from ppcls.report import suspicion
from ppcls.report.intervals import Share, f1, share

if TYPE_CHECKING:
    from ppcls.report.sources import Source


@dataclass(frozen=True)
class ClassScores:
    """How well one class is found; `support` counts its images, `answers` those that are taken for it."""

    name: str
    precision: Share
    recall: Share
    f1: Share
    support: int
    answers: int
    threshold: Optional[float] = None  # of several classes an image: the score from which it is an answer


class Confusion(NamedTuple):
    """How many images of the class `label` are taken for the class `answer`."""

    label: str
    answer: str
    num_images: int
    of: int


@dataclass(frozen=True)
class Answer:
    """An image (its place among all) and how the model sees it; for several classes an image, in words with `|`."""

    place: int
    path: str
    label: str
    predicted: str
    score: float  # of what is predicted
    label_score: float  # of the label


@dataclass(frozen=True, repr=False)
class Evaluation:
    """Scores [N, classes] of N labelled images: labels are int64 [N], or 0 and 1 [N, classes] for several classes each.

    Several classes: a class is predicted from its threshold on, one for all or one each. `features` [N, width]: what
    the classifier takes.
    `origin`: what answered, and the images, where these are known.
    """

    paths: Sequence[str]
    labels: NDArray[np.int64]
    scores: NDArray[np.float32]
    class_names: Sequence[str]
    features: Optional[NDArray[np.float32]] = None
    origin: Optional[tuple["Source", LabelledImages]] = None
    thresholds: Union[float, NDArray[np.float64]] = 0.5

    @property
    def several(self) -> bool:
        """Whether an image has several classes."""
        return self.labels.ndim == 2

    @property
    def has_shares(self) -> bool:
        """Whether the scores of an image add up to 1, so that they can be right as often as they say."""
        return not self.several and bool(np.allclose(self.scores.sum(axis=1), 1, atol=1e-3))

    @functools.cached_property
    def predicted(self) -> NDArray[np.int64]:
        """What is predicted, in the form of `labels`."""
        found = self.scores >= self.thresholds if self.several else self.scores.argmax(axis=1)
        return found.astype(np.int64)

    @functools.cached_property
    def right(self) -> NDArray[np.bool_]:
        """Which images have the right answer; for several classes, all of them."""
        same = np.equal(self.predicted, self.labels).reshape(len(self.labels), -1)
        return np.asarray(same.all(axis=1))

    def reliability(self, scores: NDArray[np.floating[Any]]) -> list[Bin]:
        """Return how often the answers of these scores, or of others such as calibrated ones, are right."""
        return bins_of(scores.max(axis=1), scores.argmax(axis=1) == self.labels)

    @functools.cached_property
    def confusion(self) -> NDArray[np.int64]:
        """Numbers of images [label, predicted]; for several classes [classes, label, predicted], each 0 or 1."""
        if self.several:
            pairs = self.labels * 2 + self.predicted
            return np.stack([np.bincount(column, minlength=4).reshape(2, 2) for column in pairs.T])
        count = self.scores.shape[1]
        return np.bincount(self.labels * count + self.predicted, minlength=count**2).reshape(count, count)

    @functools.cached_property
    def per_class(self) -> list[ClassScores]:
        """Precision, recall and F1 of each class, with intervals; 0 where nothing was to be found, or nothing was."""
        if self.several:
            hits, answers, support = self.confusion[:, 1, 1], self.predicted.sum(axis=0), self.labels.sum(axis=0)
        else:
            sides = (self.labels[self.right], self.predicted, self.labels)
            hits, answers, support = (np.bincount(side, minlength=self.scores.shape[1]) for side in sides)
        thresholds = np.broadcast_to(self.thresholds, len(hits)).tolist() if self.several else [None] * len(hits)
        rows = zip(self.class_names, hits.tolist(), answers.tolist(), support.tolist(), thresholds)
        return [ClassScores(n, share(h, a), share(h, s), f1(h, a + s - 2 * h), s, a, t) for n, h, a, s, t in rows]

    @functools.cached_property
    def accuracy(self) -> Share:
        """The share of images whose answer is right."""
        return share(int(self.right.sum()), len(self.right))

    @functools.cached_property
    def metrics(self) -> dict[str, float]:
        """Accuracy, and the means over the classes that have images."""
        rows = [row for row in self.per_class if row.support]
        means = {name: [getattr(row, name).value for row in rows] for name in ("precision", "recall", "f1")}
        return {"accuracy": self.accuracy.value, **{name: float(np.mean(found)) for name, found in means.items()}}

    def confused(self, count: int = 20) -> list[Confusion]:
        """Return the pairs of a class and another one that its images are most often taken for."""
        if self.several:
            return []
        pairs = np.stack([self.labels, self.predicted], axis=1)[~self.right]
        found, sizes = np.unique(pairs, axis=0, return_counts=True)
        order = np.argsort(-sizes, kind="stable")[:count]
        names, of = self.class_names, np.bincount(self.labels)
        return [
            Confusion(names[label], names[answer], size, int(of[label]))
            for (label, answer), size in zip(found[order].tolist(), sizes[order].tolist())
        ]

    def worst(self, count: int = 20) -> list[Answer]:
        """Return the wrong answers, those first whose label has the lowest score."""
        doubted = np.argsort(self._label_scores, kind="stable")
        return [self.answer(place) for place in doubted[~self.right[doubted]][:count].tolist()]

    def suspects(self, count: int = 20) -> list[Answer]:
        """Return the images whose labels are doubted most, right or wrong: look at them first.

        By a classifier on the features that was fitted to other images; without features by the model itself, which
        means something only for images that it was not trained on.
        """
        doubts = self.doubts
        order = np.argsort(-doubts.values, kind="stable")[:count]
        order = order[doubts.values[order] > 0]
        return [self.answer(place, doubts.instead) for place in order.tolist()]

    @functools.cached_property
    def doubts(self) -> suspicion.Doubts:
        """How much each label is doubted, and what would stand instead."""
        if self.features is not None and not self.several:
            return suspicion.out_of_fold(self.features, self.labels, len(self.class_names))
        if self.several:
            return suspicion.Doubts(0.5 - self._label_scores, self.predicted)
        return suspicion.of_scores(self.scores, self.labels)

    @property
    def _label_scores(self) -> NDArray[Any]:
        """The score of each image's label; for several classes, of the part of it that is doubted most."""
        if self.several:
            return np.asarray(np.where(self.labels > 0, self.scores, 1 - self.scores).min(axis=1))
        found: NDArray[Any] = self.scores[np.arange(len(self.labels)), self.labels]
        return found

    def answer(self, place: int, answers: Optional[NDArray[np.int64]] = None) -> Answer:
        """Return one image with its answer, or with that of other `answers`, in words."""
        predicted = (self.predicted if answers is None else answers)[place]
        ids = (row.nonzero()[0] if self.several else row[np.newaxis] for row in (self.labels[place], predicted))
        label, said = ("|".join(self.class_names[one] for one in found.tolist()) for found in ids)
        score = self.scores[place].max() if self.several else self.scores[place, predicted]
        return Answer(place, self.paths[place], label, said, float(score), float(self._label_scores[place]))

    def to_html(self, path: Union[str, Path]) -> Path:
        """Write the report on these images as one page. Raises DataError where the images are not known."""
        from ppcls.report.content import described
        from ppcls.report.page import as_page

        if self.origin is None:
            raise DataError("to_html: shows images; received an Evaluation without; take what Model.evaluate returns")
        write_text(Path(path), as_page(described(*self.origin, self)))
        return Path(path)

    def __repr__(self) -> str:
        shown = ", ".join(f"{name} {value:.4f}" for name, value in self.metrics.items())
        return f"Evaluation of {len(self.paths)} images: {shown}"

    def _repr_html_(self) -> str:
        from ppcls.report.classes import table_of_classes

        return f"<p>{self!r}</p>{table_of_classes(self)}"
