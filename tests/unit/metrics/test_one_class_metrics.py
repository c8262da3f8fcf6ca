"""Metrics of one class an image, against scikit-learn and against cases that can be counted by hand."""

from typing import Any

import numpy as np
import paddle
import pytest
from sklearn import metrics as sklearn_metrics

from ppcls.batch import Batch
from ppcls.metrics.auc import AUC
from ppcls.metrics.base import Metric
from ppcls.metrics.calibration import ExpectedCalibrationError
from ppcls.metrics.confusion import BalancedAccuracy, ConfusionMatrix
from ppcls.metrics.precision_recall import F1, Precision, Recall
from ppcls.metrics.tpr_at_fpr import TprAtFpr

RNG = np.random.default_rng(0)
NUM_CLASSES = 6
LABELS = RNG.choice(NUM_CLASSES, 200, p=[0.4, 0.3, 0.15, 0.1, 0.05, 0])  # none of the last class
LOGITS = (RNG.standard_normal((200, NUM_CLASSES)) + 1.5 * np.eye(NUM_CLASSES)[LABELS]).astype("float32")
ANSWERS = LOGITS.argmax(axis=1)


def counted(metric: Metric, logits: np.ndarray = LOGITS, labels: np.ndarray = LABELS) -> dict[str, float]:
    metric.update({"logits": paddle.to_tensor(logits)}, Batch(logits, paddle.to_tensor(labels)))
    return metric.compute(metric.state())


@pytest.mark.parametrize("average", ["macro", "micro", "weighted"])
@pytest.mark.parametrize(
    ("metric", "reference"),
    [
        (Precision, sklearn_metrics.precision_score),
        (Recall, sklearn_metrics.recall_score),
        (F1, sklearn_metrics.f1_score),
    ],
)
def test_averages_over_classes_are_those_of_scikit_learn(metric: Any, reference: Any, average: Any) -> None:
    found = counted(metric(NUM_CLASSES, [], average=average))
    expected = reference(LABELS, ANSWERS, average=average, zero_division=0)
    assert found == {f"{average}_{metric.what}": pytest.approx(expected, rel=1e-12)}


def test_values_of_each_class_have_its_name() -> None:
    names = ["daisy", "rose", "crane", "crane"]
    metric = Recall(NUM_CLASSES, names, per_class=True)
    titles = ["daisy", "rose", "crane (2)", "crane (3)", "4", "5"]
    assert list(metric.names) == ["macro_recall", *(f"recall/{title}" for title in titles)]
    expected = [(ANSWERS[LABELS == k] == k).mean() if (LABELS == k).any() else 0 for k in range(NUM_CLASSES)]
    assert list(counted(metric).values())[1:] == pytest.approx(expected, rel=1e-12)


def test_classes_that_do_not_occur_are_in_no_average() -> None:
    perfect = 10 * np.eye(4, dtype="float32")[[0, 1, 0]]
    for metric in (Precision(4, []), Recall(4, []), F1(4, []), BalancedAccuracy(4)):
        assert list(counted(metric, perfect, np.array([0, 1, 0])).values()) == [1]


def test_balanced_accuracy_is_the_mean_recall_of_the_classes_with_images() -> None:
    recalls = [(ANSWERS[LABELS == k] == k).mean() for k in range(5)]
    assert counted(BalancedAccuracy(NUM_CLASSES)) == {"balanced_accuracy": pytest.approx(np.mean(recalls), rel=1e-12)}


def test_the_confusion_matrix_is_in_the_state_and_no_number() -> None:
    metric = ConfusionMatrix(NUM_CLASSES)
    assert counted(metric) == {}
    expected = sklearn_metrics.confusion_matrix(LABELS, ANSWERS, labels=range(NUM_CLASSES))
    np.testing.assert_array_equal(metric.state()["matrix"], expected)


def test_the_area_is_that_of_scikit_learn() -> None:
    exponentials = np.exp(LOGITS)
    expected = [
        sklearn_metrics.roc_auc_score(LABELS == k, (exponentials / exponentials.sum(axis=1, keepdims=True))[:, k])
        for k in range(5)
    ]
    assert counted(AUC(NUM_CLASSES)) == {"auc": pytest.approx(np.mean(expected), rel=1e-6)}


@pytest.mark.parametrize("logits", [LOGITS, LOGITS.round()], ids=["no two alike", "many alike"])
def test_of_two_classes_there_is_one_area(logits: np.ndarray) -> None:
    labels, logits = LABELS[LABELS < 2], logits[LABELS < 2, :2]
    expected = sklearn_metrics.roc_auc_score(labels, logits[:, 1] - logits[:, 0])
    assert counted(AUC(2), logits, labels) == {"auc": pytest.approx(expected, rel=1e-6)}


@pytest.mark.parametrize("max_fpr", [0.0, 0.05, 0.29, 1.0])
def test_the_best_threshold_is_found_among_all(max_fpr: float) -> None:
    labels = np.repeat([0, 1], 100)
    logits = (RNG.standard_normal((200, 2)) + np.eye(2)[labels]).round(1).astype("float32")
    scores = logits[:, 1] - logits[:, 0]
    rates = [
        ((scores[labels == 0] > threshold).mean(), (scores[labels == 1] > threshold).mean())
        for threshold in [*scores, -np.inf]
    ]
    expected = max(tpr for fpr, tpr in rates if fpr <= max_fpr)
    assert counted(TprAtFpr(2, max_fpr=max_fpr), logits, labels) == {f"tpr_at_fpr_{max_fpr:g}": expected}


def test_calibration_compares_confidence_and_accuracy_in_bins() -> None:
    # 10 images at 0.95 of which 6 are right, 5 at 0.55 of which all are: 0.35 and 0.45 off.
    probabilities = np.repeat([0.95, 0.55], [10, 5])
    logits = np.log(np.stack([probabilities, 1 - probabilities], axis=1)).astype("float32")
    labels = np.repeat([0, 1, 0], [6, 4, 5])
    found = counted(ExpectedCalibrationError(num_bins=10), logits, labels)
    assert found == {"ece": pytest.approx((10 * 0.35 + 5 * 0.45) / 15, rel=1e-5)}


def test_a_certain_model_that_is_always_right_is_calibrated() -> None:
    assert counted(ExpectedCalibrationError(), 1000 * np.eye(4, dtype="float32"), np.arange(4)) == {"ece": 0}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", ["AUC", "ExpectedCalibrationError", "F1"])
def test_low_precision_logits_are_counted_too(dtype: str, name: str) -> None:
    make = {"AUC": lambda: AUC(6), "ExpectedCalibrationError": ExpectedCalibrationError, "F1": lambda: F1(6, [])}[name]
    rounded = paddle.to_tensor(LOGITS).astype(dtype)
    low, high = make(), make()
    low.update({"logits": rounded}, Batch(LOGITS, paddle.to_tensor(LABELS)))
    high.update({"logits": rounded.astype("float32")}, Batch(LOGITS, paddle.to_tensor(LABELS)))
    assert low.compute(low.state()) == high.compute(high.state())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TprAtFpr(3), "class_num: it is about two classes; received 3; use AUC"),
        (lambda: TprAtFpr(2, max_fpr=1.5), "max_fpr: out of range; received 1.5"),
        (lambda: ExpectedCalibrationError(num_bins=0), "num_bins: not positive; received 0"),
    ],
)
def test_values_out_of_range_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
