"""What a model's scores become: predictions, and one line of text for each image."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Optional, Protocol, Union

import numpy as np
from numpy.typing import NDArray

from ppcls.class_names import find_label_map, read_label_map
from ppcls.inference.honesty import Honesty
from ppcls.text import printable

logger = logging.getLogger("ppcls")

Activation = Literal["softmax", "sigmoid", "none"]
Scores = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Doubt:
    """What a calibrated model says beside its best classes.

    `none_of_these`: its best score is below the bar. `class_ids`: the set that has the true class in 90 % of all cases
    or more, best first.
    """

    none_of_these: bool
    class_ids: list[int]
    label_names: list[str]


@dataclass(frozen=True)
class Prediction:
    """The best classes of one image, best first; `label_names` is empty where no names are known.

    `attributes` says in words what an attribute model's scores mean together; of all others it is empty. `doubt` is
    that of a model that was calibrated.
    """

    class_ids: list[int]
    scores: list[float]
    label_names: list[str]
    attributes: list[str] = field(default_factory=list)
    doubt: Optional[Doubt] = None

    def line(self, name: str) -> str:
        """Return the prediction as printed for the image `name`, scores with 2 decimals."""
        scores = ", ".join(f"{score:.2f}" for score in self.scores)
        words = f"attributes: {self.attributes}, " if self.attributes else ""
        answer = f"{words}class id(s): {self.class_ids}, score(s): [{scores}], label_name(s): {self.label_names}"
        if self.doubt is not None:
            answer += f", none of these: {self.doubt.none_of_these}, set: {self.doubt.class_ids}"
        return f"{printable(name)}:\t{answer}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, ready for JSON."""
        words = {"attributes": self.attributes} if self.attributes else {}
        doubt = {} if self.doubt is None else {"doubt": asdict(self.doubt)}
        return {"class_ids": self.class_ids, "scores": self.scores, "label_names": self.label_names, **words, **doubt}


def _names(
    label_names: Sequence[str], class_num: Optional[int], class_id_map_file: Optional[str], delimiter: Optional[str]
) -> list[str]:
    names = list(label_names)
    if class_id_map_file and find_label_map(class_id_map_file) is None:
        instead = "the names that came with the model" if names else "class numbers"
        logger.warning(f"class_id_map_file: '{class_id_map_file}' is not there; the answers have {instead}")
    elif class_id_map_file:
        names = read_label_map(class_id_map_file, delimiter)
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

    def __call__(self, scores: Scores) -> list[Prediction]: ...


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
        self.label_names: Sequence[str] = _names(label_names, class_num, class_id_map_file, delimiter)

    def __call__(self, scores: Scores) -> list[Prediction]:
        return [_prediction(_best(row, self.topk), row, self.label_names) for row in scores]


def _best(scores: Scores, number: int) -> NDArray[np.intp]:
    """Return the classes of the highest scores, best first, equal ones by their id; sorts none but these."""
    last = min(number, len(scores)) - 1
    least = -np.partition(-scores, last)[last]
    return _ordered(np.flatnonzero(~(scores < least)), scores)[:number]


def _ordered(ids: NDArray[np.intp], scores: Scores) -> NDArray[np.intp]:
    return ids[np.argsort(-scores[ids], kind="stable")]


class HonestTopk:
    """The same of a model that was calibrated: scores at its temperature, and its doubt."""

    activation: Activation = "softmax"

    def __init__(self, topk: Topk, honesty: Honesty) -> None:
        self.label_names = topk.label_names
        self._topk, self._honesty = topk, honesty

    def __call__(self, scores: Scores) -> list[Prediction]:
        calibrated = self._honesty.calibrated(scores)
        sets = self._honesty.sets(calibrated)
        return [
            replace(prediction, doubt=self._doubt(row, inside))
            for prediction, row, inside in zip(self._topk(calibrated), calibrated, sets)
        ]

    def _doubt(self, row: Scores, inside: Scores) -> Doubt:
        found = _prediction(_ordered(np.flatnonzero(inside), row), row, self.label_names)
        return Doubt(bool(row.max() < self._honesty.reject_below), found.class_ids, found.label_names)


class ThreshOutput:
    """Of two classes the second where its score reaches the threshold, else the first.

    Of more classes the best one where its score is above the threshold, else the one of `default_label_index`.
    `label_0` and `label_1` name two classes, `class_id_map_file` more of them.
    """

    activation: Activation = "softmax"

    def __init__(
        self,
        label_names: Sequence[str],
        class_num: Optional[int],
        *,
        threshold: float,
        default_label_index: int = 0,
        label_0: str = "0",
        label_1: str = "1",
        class_id_map_file: Optional[str] = None,
        delimiter: Optional[str] = None,
    ) -> None:
        two = class_num in (None, 2)
        if not 0 <= default_label_index < (class_num or 2):
            raise ValueError(f"default_label_index: there is no such class; received {default_label_index}")
        self.threshold = threshold
        self.default = default_label_index
        self.label_names = [label_0, label_1] if two else _names(label_names, class_num, class_id_map_file, delimiter)

    def __call__(self, scores: Scores) -> list[Prediction]:
        if scores.shape[1] == 2:
            chosen = (scores[:, 1] >= self.threshold).astype(int)
        else:
            chosen = np.where(scores.max(axis=1) > self.threshold, scores.argmax(axis=1), self.default)
        return [_prediction([index], row, self.label_names) for index, row in zip(chosen, scores)]


class MultiLabelThreshOutput:
    """All classes whose score reaches the threshold, by id; of a model whose classes don't exclude each other.

    `threshold`: of all classes, or a list of one for each.
    """

    activation: Activation = "sigmoid"

    def __init__(
        self,
        label_names: Sequence[str],
        class_num: Optional[int],
        *,
        threshold: Union[float, Sequence[float]] = 0.5,
        class_id_map_file: Optional[str] = None,
        delimiter: Optional[str] = None,
    ) -> None:
        self.thresholds = np.array(threshold, np.float64)
        require_one_each("threshold", self.thresholds, class_num)
        self.label_names = _names(label_names, class_num, class_id_map_file, delimiter)

    def __call__(self, scores: Scores) -> list[Prediction]:
        return [_prediction(np.flatnonzero(row >= self.thresholds), row, self.label_names) for row in scores]


def require_one_each(argument: str, thresholds: NDArray[np.float64], class_num: Optional[int]) -> None:
    """Raise ValueError where a list of thresholds has not one for each class."""
    if thresholds.ndim and class_num not in (None, len(thresholds)):
        raise ValueError(f"{argument}: the model has {class_num} classes; received {len(thresholds)} thresholds")


class ScoreOutput:
    """The model's outputs themselves, rounded: of one that rates images instead of classifying them."""

    activation: Activation = "none"

    def __init__(self, label_names: Sequence[str], *, decimal_places: int) -> None:
        self.decimal_places = decimal_places
        self.label_names = label_names

    def __call__(self, scores: Scores) -> list[Prediction]:
        rounded = scores.round(self.decimal_places)
        return [_prediction(range(scores.shape[1]), row, self.label_names) for row in rounded]


def _prediction(ids: Iterable[int], scores: Scores, names: Sequence[str]) -> Prediction:
    ids = [int(index) for index in ids]
    return Prediction(ids, [float(scores[index]) for index in ids], [names[index] for index in ids] if names else [])
