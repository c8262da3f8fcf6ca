"""What a model's scores become: predictions, and one line of text for each picture."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Optional, Protocol

import numpy as np

from ppcls.class_names import read_label_map
from ppcls.text import printable

Activation = Literal["softmax", "sigmoid"]


@dataclass(frozen=True)
class Prediction:
    """The best classes of one picture, best first; `label_names` is empty where no names are known."""

    class_ids: list[int]
    scores: list[float]
    label_names: list[str]

    def line(self, name: str) -> str:
        """Return the prediction as printed for the image `name`, scores with 2 decimals."""
        scores = ", ".join(f"{score:.2f}" for score in self.scores)
        answer = f"class id(s): {self.class_ids}, score(s): [{scores}], label_name(s): {self.label_names}"
        return f"{printable(name)}:\t{answer}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, ready for JSON."""
        return {"class_ids": self.class_ids, "scores": self.scores, "label_names": self.label_names}


def _names(
    label_names: Sequence[str], class_num: Optional[int], class_id_map_file: Optional[str], delimiter: Optional[str]
) -> list[str]:
    names = read_label_map(class_id_map_file, delimiter) if class_id_map_file else list(label_names)
    if names and class_num not in (None, len(names)):
        raise ValueError(
            f"class_id_map_file: the model has {class_num} classes; received {len(names)} names "
            f"({class_id_map_file}); give the map of this model, or null for the names that came with it"
        )
    return names


class PostProcess(Protocol):
    """Turns scores [N, class_num] into N predictions."""

    # What makes scores of the model's logits; an exported model has it in its graph.
    activation: Activation
    label_names: Sequence[str]

    def __call__(self, scores: np.ndarray) -> list[Prediction]: ...


class Topk:
    """The `topk` classes of highest score; fewer where the model has fewer. Equal scores: lower id first.

    `class_id_map_file`: lines of `id<delimiter>name`; unstated, the names travel with the weights.
    """

    activation: Activation = "softmax"

    def __init__(
        self,
        label_names: Sequence[str],
        class_num: Optional[int],
        *,
        topk: int = 5,
        class_id_map_file: Optional[str] = None,
        delimiter: Optional[str] = None,
    ) -> None:
        if topk < 1:
            raise ValueError(f"topk: must be at least 1; received {topk}")
        self.topk = topk
        self.label_names = _names(label_names, class_num, class_id_map_file, delimiter)

    def __call__(self, scores: np.ndarray) -> list[Prediction]:
        best = np.argsort(-scores, axis=1, kind="stable")[:, : self.topk]
        return [_prediction(ids, row, self.label_names) for ids, row in zip(best, scores)]


class ThreshOutput:
    """Of two classes the second where its score reaches the threshold, else the first."""

    activation: Activation = "softmax"

    def __init__(
        self,
        label_names: Sequence[str],
        class_num: Optional[int],
        *,
        threshold: float,
        label_0: str = "0",
        label_1: str = "1",
    ) -> None:
        if class_num not in (None, 2):
            raise ValueError(f"ThreshOutput: is for models of two classes; received one of {class_num}; use Topk")
        self.threshold = threshold
        self.label_names = [label_0, label_1]

    def __call__(self, scores: np.ndarray) -> list[Prediction]:
        chosen = (scores[:, 1] >= self.threshold).astype(int)
        return [_prediction([index], row, self.label_names) for index, row in zip(chosen, scores)]


class MultiLabelThreshOutput:
    """All classes whose score reaches the threshold, by id; of a model whose classes don't exclude each other."""

    activation: Activation = "sigmoid"

    def __init__(
        self,
        label_names: Sequence[str],
        class_num: Optional[int],
        *,
        threshold: float = 0.5,
        class_id_map_file: Optional[str] = None,
        delimiter: Optional[str] = None,
    ) -> None:
        self.threshold = threshold
        self.label_names = _names(label_names, class_num, class_id_map_file, delimiter)

    def __call__(self, scores: np.ndarray) -> list[Prediction]:
        return [_prediction(np.flatnonzero(row >= self.threshold), row, self.label_names) for row in scores]


def _prediction(ids: Iterable[int], scores: np.ndarray, names: Sequence[str]) -> Prediction:
    ids = [int(index) for index in ids]
    return Prediction(ids, [float(scores[index]) for index in ids], [names[index] for index in ids] if names else [])
