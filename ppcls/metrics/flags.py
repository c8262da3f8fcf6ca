"""How often the classes that a model finds in an image are those that are there: each class a question, yes or no."""

import math
from collections.abc import Mapping
from typing import Literal

import paddle

from ppcls.batch import SEVERAL_CLASSES, Batch, Outputs, multi_hot_of
from ppcls.metrics.base import State, SumMetric


def found_in(outputs: Outputs, threshold: float = 0.5) -> paddle.Tensor:
    """Return which classes have a probability above the threshold, bool [N, C]."""
    # By the logits: a sigmoid may differ in its last bit with the place in the batch.
    return outputs["logits"].astype("float32") > math.log(threshold / (1 - threshold))


def there_in(batch: Batch) -> paddle.Tensor:
    """Return which classes are there, bool [N, C]; a class of a mixed image if most of it is."""
    return multi_hot_of(batch.labels) > 0.5


def checked_threshold(name: str, threshold: float) -> float:
    """Return the threshold. Raises ValueError if it is out of range."""
    if not 0 < threshold < 1:
        raise ValueError(f"{name}: out of range; received {threshold}; give a probability > 0 and < 1")
    return threshold


class HammingDistance(SumMetric):
    """The share of wrong answers, over all classes of all images, as `hamming_distance`."""

    names = {"hamming_distance": "min"}
    takes = SEVERAL_CLASSES

    def __init__(self) -> None:
        super().__init__({"wrong": [], "answers": []})

    def measure(self, outputs: Outputs, batch: Batch) -> Mapping[str, paddle.Tensor]:
        wrong = (found_in(outputs) != there_in(batch)).astype("int64")
        return {"wrong": wrong.sum(), "answers": paddle.full([], wrong.size, "int64")}

    def compute(self, state: State) -> dict[str, float]:
        return {"hamming_distance": float(state["wrong"] / max(int(state["answers"]), 1))}


class AccuracyScore(SumMetric):
    """The share of right answers: with `base: label`, as `label_accuracy`, over all classes of all images.

    With `base: sample`, as `sample_accuracy`, the share of the images of which all answers are right.
    """

    takes = SEVERAL_CLASSES

    def __init__(self, *, base: Literal["label", "sample"] = "label") -> None:
        self.base = base
        self.names = {f"{base}_accuracy": "max"}
        super().__init__({"right": [], "answers": []})

    def measure(self, outputs: Outputs, batch: Batch) -> Mapping[str, paddle.Tensor]:
        right = found_in(outputs) == there_in(batch)
        right = (right.all(axis=1) if self.base == "sample" else right).astype("int64")
        return {"right": right.sum(), "answers": paddle.full([], right.size, "int64")}

    def compute(self, state: State) -> dict[str, float]:
        return {f"{self.base}_accuracy": float(state["right"] / max(int(state["answers"]), 1))}


class MultilabelMeanAccuracy(SumMetric):
    """The share of right answers, over all classes of all images, at the best of several thresholds.

    They are `num_iterations` ones at equal distances, from `start_threshold` on and below `end_threshold`.
    """

    names = {"mean_accuracy": "max"}
    takes = SEVERAL_CLASSES

    def __init__(self, *, start_threshold: float = 0.4, num_iterations: int = 10, end_threshold: float = 0.9) -> None:
        if num_iterations < 1:
            raise ValueError(f"num_iterations: not positive; received {num_iterations}; give 1 or more thresholds")
        first, end = checked_threshold("start_threshold", start_threshold), end_threshold
        checked_threshold("end_threshold", end)
        self.thresholds = [first + (end - first) * place / num_iterations for place in range(num_iterations)]
        super().__init__({"right": [num_iterations], "answers": []})

    def measure(self, outputs: Outputs, batch: Batch) -> Mapping[str, paddle.Tensor]:
        there = there_in(batch)
        right = [(found_in(outputs, threshold) == there).astype("int64").sum() for threshold in self.thresholds]
        return {"right": paddle.stack(right), "answers": paddle.full([], there.size, "int64")}

    def compute(self, state: State) -> dict[str, float]:
        return {"mean_accuracy": float(state["right"].max() / max(int(state["answers"]), 1))}
