"""What the scores of attribute models mean in words: people, vehicles, photographed tables.

Source: PaddleClas, deploy/python/postprocess.py; its names of the attributes are in ppcls/assets/.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Optional

import numpy as np
from numpy.typing import NDArray

from ppcls.class_names import read_label_map
from ppcls.inference.postprocess import Activation, Prediction, Scores, require_one_each


class Attributes(ABC):
    """The attributes whose scores are above their thresholds, by id, and what all scores mean in words.

    `thresholds`, one for each attribute, stand for all others; `ppcls export --calibrate` fits them.
    """

    activation: Activation = "sigmoid"

    def __init__(
        self,
        class_num: Optional[int],
        label_names: Sequence[str],
        usual: Sequence[float],
        thresholds: Optional[Sequence[float]],
    ) -> None:
        if class_num not in (None, len(label_names)):
            name = type(self).__name__
            raise ValueError(f"{name}: is for {len(label_names)} attributes; received a model of {class_num} classes")
        self.label_names = label_names
        self.thresholds = np.array(usual if thresholds is None else thresholds, np.float64)
        require_one_each("thresholds", self.thresholds, len(label_names))

    def __call__(self, scores: Scores) -> list[Prediction]:
        return [self._prediction(row) for row in scores]

    def _prediction(self, row: NDArray[np.float32]) -> Prediction:
        ids = [int(index) for index in np.flatnonzero(row > self.thresholds)]
        names = [self.label_names[index] for index in ids]
        return Prediction(ids, [float(row[index]) for index in ids], names, self.words(row))

    @abstractmethod
    def words(self, row: NDArray[np.float32]) -> list[str]:
        """Return what the scores of one image mean."""

    def best(self, row: NDArray[np.float32], first: int, stop: int) -> int:
        """Return which of a group of attributes that exclude each other has the highest score."""
        return first + int(row[first:stop].argmax())


class PersonAttribute(Attributes):
    """26 attributes of a person: sex, age, view, clothes and what is carried."""

    def __init__(
        self,
        class_num: Optional[int],
        *,
        threshold: float = 0.5,
        glasses_threshold: float = 0.3,
        hold_threshold: float = 0.6,
        thresholds: Optional[Sequence[float]] = None,
    ) -> None:
        names = read_label_map("pedestrian_attribute_label_list.txt")
        usual = [threshold] * len(names)
        usual[names.index("Glasses")] = glasses_threshold
        usual[names.index("HoldObjectsInFront")] = hold_threshold
        super().__init__(class_num, names, usual, thresholds)

    def words(self, row: NDArray[np.float32]) -> list[str]:
        has, names = row > self.thresholds, self.label_names
        bag, sleeve, lower = self.best(row, 15, 18), self.best(row, 2, 4), self.best(row, 8, 14)
        uppers = [names[index] for index in range(4, 8) if has[index]]
        lowers = [names[index] for index in range(8, 14) if has[index]] or [names[lower]]
        return [
            "Female" if has[22] else "Male",
            names[self.best(row, 19, 22)],
            names[self.best(row, 23, 26)],
            f"Glasses: {has[1]}",
            f"Hat: {has[0]}",
            f"HoldObjectsInFront: {has[18]}",
            names[bag] if has[bag] else "No bag",
            " ".join(["Upper:", names[sleeve], *uppers]),
            " ".join(["Lower:", *lowers]),
            names[14] if has[14] else "No boots",
        ]


class VehicleAttribute(Attributes):
    """19 attributes of a vehicle: 10 colours and 9 types, the best of each."""

    def __init__(
        self,
        class_num: Optional[int],
        *,
        color_threshold: float = 0.5,
        type_threshold: float = 0.5,
        thresholds: Optional[Sequence[float]] = None,
    ) -> None:
        names = read_label_map("vehicle_attribute_label_list.txt")
        super().__init__(class_num, names, [color_threshold] * 10 + [type_threshold] * 9, thresholds)

    def words(self, row: NDArray[np.float32]) -> list[str]:
        groups = {"Color": self.best(row, 0, 10), "Type": self.best(row, 10, 19)}
        return [
            f"{kind}: {self.label_names[index] if row[index] >= self.thresholds[index] else 'unknown'}"
            for kind, index in groups.items()
        ]


class TableAttribute(Attributes):
    """Six properties of the image of a table, each one of two."""

    def __init__(
        self,
        class_num: Optional[int],
        *,
        source_threshold: float = 0.5,
        number_threshold: float = 0.5,
        color_threshold: float = 0.5,
        clarity_threshold: float = 0.5,
        obstruction_threshold: float = 0.5,
        angle_threshold: float = 0.5,
        thresholds: Optional[Sequence[float]] = None,
    ) -> None:
        self.others = ["Photo", "Numerous", "Multicolor", "Blurry", "With-Obstacles", "Tilted"]
        names = ["Scanned", "Little", "Black-and-White", "Clear", "Without-Obstacles", "Horizontal"]
        usual = [source_threshold, number_threshold, color_threshold, clarity_threshold]
        super().__init__(class_num, names, [*usual, obstruction_threshold, angle_threshold], thresholds)

    def words(self, row: NDArray[np.float32]) -> list[str]:
        pairs = zip(row > self.thresholds, self.label_names, self.others)
        return [name if has else other for has, name, other in pairs]
