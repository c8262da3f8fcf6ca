"""What a model says of labelled images, and what follows from that."""

import functools
import html
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Answer:
    """An image whose label the model doubts, or misses."""

    path: str
    label: str
    predicted: str
    score: float  # of the predicted class
    label_score: float  # of the label


@dataclass(frozen=True)
class ClassScores:
    """How well one class is found."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int  # images of the class


@dataclass(frozen=True, repr=False)
class Evaluation:
    """Scores [N, classes] of N labelled images: labels are int64 [N], or 0 and 1 [N, classes] for several classes each.

    Several classes: a class is predicted from a score of 0.5 on.
    """

    paths: Sequence[str]
    labels: NDArray[np.int64]
    scores: NDArray[np.float32]
    class_names: Sequence[str]

    @property
    def several(self) -> bool:
        """Whether an image has several classes."""
        return self.labels.ndim == 2

    @functools.cached_property
    def metrics(self) -> dict[str, float]:
        """Accuracy (for several classes: of all answers) and the averages of the classes."""
        rows = [row for row in self.per_class if row.support]
        right = self.predicted == self.labels
        return {
            "accuracy": float(right.mean()),
            "precision": float(np.mean([row.precision for row in rows])),
            "recall": float(np.mean([row.recall for row in rows])),
            "f1": float(np.mean([row.f1 for row in rows])),
        }

    @functools.cached_property
    def predicted(self) -> NDArray[np.int64]:
        """What is predicted, in the form of `labels`."""
        found = self.scores >= 0.5 if self.several else self.scores.argmax(axis=1)
        return found.astype(np.int64)

    @functools.cached_property
    def confusion(self) -> NDArray[np.int64]:
        """Numbers of images [label, predicted]; of several classes [classes, label, predicted], each 0 or 1."""
        if self.several:
            pairs = self.labels * 2 + self.predicted
            return np.stack([np.bincount(column, minlength=4).reshape(2, 2) for column in pairs.T])
        count = self.scores.shape[1]
        return np.bincount(self.labels * count + self.predicted, minlength=count**2).reshape(count, count)

    @functools.cached_property
    def per_class(self) -> list[ClassScores]:
        """Precision, recall and F1 of each class; 0 where nothing was to be found, or nothing was."""
        if self.several:
            hits, predicted, support = self.confusion[:, 1, 1], self.predicted.sum(axis=0), self.labels.sum(axis=0)
        else:
            hits, predicted, support = np.diag(self.confusion), self.confusion.sum(axis=0), self.confusion.sum(axis=1)
        precision, recall = hits / np.maximum(predicted, 1), hits / np.maximum(support, 1)
        f1 = 2 * hits / np.maximum(predicted + support, 1)
        columns = (precision.tolist(), recall.tolist(), f1.tolist(), support.tolist())
        return [ClassScores(name, *row) for name, *row in zip(self.class_names, *columns)]

    def worst(self, count: int = 20) -> list[Answer]:
        """Return the wrong answers, those first whose label has the lowest score."""
        wrong = self.predicted != self.labels
        return self._answers([place for place in self._doubted if wrong[place].any()][:count])

    def suspects(self, count: int = 20) -> list[Answer]:
        """Return the images whose labels the model doubts most, right or wrong: look at them first.

        That means something for images that the model was not trained on.
        """
        return self._answers(self._doubted[:count])

    @property
    def _doubted(self) -> list[int]:
        """All images, those first whose label has the lowest score beside the best other one."""
        if self.several:
            of_label = np.where(self.labels > 0, self.scores, 1 - self.scores).min(axis=1)
            return [int(place) for place in np.argsort(of_label, kind="stable")]
        rows = np.arange(len(self.labels))
        others = self.scores.copy()
        others[rows, self.labels] = -np.inf
        margin = self.scores[rows, self.labels] - others.max(axis=1)
        return [int(place) for place in np.argsort(margin, kind="stable")]

    def _answers(self, places: Sequence[int]) -> list[Answer]:
        return [self._answer(place) for place in places]

    def _answer(self, place: int) -> Answer:
        scores, names = self.scores[place], self.class_names
        if self.several:
            labels = self.labels[place]
            of_label = float(np.where(labels > 0, scores, 1 - scores).min())
            marked = ["|".join(np.array(names)[row > 0]) for row in (labels, self.predicted[place])]
            return Answer(self.paths[place], marked[0], marked[1], float(scores.max()), of_label)
        label, best = int(self.labels[place]), int(self.predicted[place])
        return Answer(self.paths[place], names[label], names[best], float(scores[best]), float(scores[label]))

    def __repr__(self) -> str:
        shown = ", ".join(f"{name} {value:.4f}" for name, value in self.metrics.items())
        return f"Evaluation of {len(self.paths)} images: {shown}"

    def _repr_html_(self) -> str:
        rows = [
            f"<tr><td>{html.escape(row.name)}</td><td>{row.precision:.3f}</td><td>{row.recall:.3f}</td>"
            f"<td>{row.f1:.3f}</td><td>{row.support}</td></tr>"
            for row in self.per_class
        ]
        head = "<tr><th>class</th><th>precision</th><th>recall</th><th>F1</th><th>images</th></tr>"
        return f"<p>{html.escape(repr(self))}</p><table>{head}{''.join(rows)}</table>"
