"""Metrics of several classes an image, against scikit-learn and against cases that can be counted by hand."""

from typing import Any

import numpy as np
import paddle
import pytest
from sklearn import metrics as sklearn_metrics

from ppcls.batch import Batch
from ppcls.metrics.attributes import ATTRMetric
from ppcls.metrics.average_precision import MultiLabelMAP
from ppcls.metrics.base import Metric
from ppcls.metrics.flags import AccuracyScore, HammingDistance, MultilabelMeanAccuracy

RNG = np.random.default_rng(0)
HOT = (RNG.random((90, 7)) < 0.4).astype("float32")
HOT[:, 6] = 0  # a class that no image has
LOGITS = (RNG.standard_normal((90, 7)) + 2 * HOT - 1).astype("float32")
FOUND = LOGITS > 0


def counted(metric: Metric, logits: np.ndarray = LOGITS, labels: np.ndarray = HOT) -> dict[str, float]:
    metric.update({"logits": paddle.to_tensor(logits)}, Batch(logits, paddle.to_tensor(labels)))
    return metric.compute(metric.state())


@pytest.mark.parametrize("logits", [LOGITS, LOGITS.round()], ids=["no two alike", "many alike"])
def test_the_mean_average_precision_is_that_of_scikit_learn(logits: np.ndarray) -> None:
    expected = [sklearn_metrics.average_precision_score(HOT[:, k], logits[:, k]) for k in range(6)]
    assert counted(MultiLabelMAP(7), logits) == {"mAP": pytest.approx(np.mean(expected), rel=1e-12)}


def test_eleven_points_take_the_best_precision_at_each_recall_or_above() -> None:
    # By falling logit right, wrong, right: precision 1 up to a recall of 0.5 (6 points), then 2/3 (5 points).
    logits, labels = np.array([[3.0], [2.0], [1.0]], "float32"), np.array([[1.0], [0.0], [1.0]], "float32")
    found = counted(MultiLabelMAP(1, map_type="11point"), logits, labels)
    assert found == {"mAP_11point": pytest.approx((6 * 1 + 5 * 2 / 3) / 11, rel=1e-12)}


def test_the_shares_of_wrong_and_of_right_answers() -> None:
    assert counted(HammingDistance()) == {"hamming_distance": pytest.approx((FOUND != HOT).mean(), rel=1e-12)}
    assert counted(AccuracyScore()) == {"label_accuracy": pytest.approx((FOUND == HOT).mean(), rel=1e-12)}
    of_images = (FOUND == HOT).all(axis=1).mean()
    assert counted(AccuracyScore(base="sample")) == {"sample_accuracy": pytest.approx(of_images, rel=1e-12)}


def test_a_class_of_a_mixed_image_is_there_if_most_of_it_is() -> None:
    assert counted(HammingDistance(), labels=0.6 * HOT + 0.4 * (1 - HOT)) == counted(HammingDistance())


def test_mean_accuracy_is_that_of_the_best_threshold() -> None:
    probabilities = 1 / (1 + np.exp(-LOGITS.astype("float64")))
    expected = max(((probabilities > 0.4 + 0.05 * k) == HOT).mean() for k in range(10))
    assert counted(MultilabelMeanAccuracy()) == {"mean_accuracy": pytest.approx(expected, rel=1e-12)}


def test_attributes_and_images_are_judged_apart() -> None:
    logits = np.array([[1, 1, -1], [1, -1, -1]], "float32")
    labels = np.array([[1, 0, 1], [1, 0, 0]], "float32")
    found = counted(ATTRMetric(3), logits, labels)
    # Attributes: found in all images with them in 1, 0 (of none) and 0 parts; absent from 0 (of none), 1/2, 1.
    assert found["label_pos_recall"] == pytest.approx(1 / 3)
    assert found["label_neg_recall"] == pytest.approx(1 / 2)
    assert found["ma"] == pytest.approx((1 / 3 + 1 / 2) / 2)
    # Images: of the first, one right of two found, of two there, and of three in all; the second is all right.
    assert [found[f"instance_{name}"] for name in ("acc", "prec", "recall", "f1")] == pytest.approx(
        [2 / 3, 0.75, 0.75, 0.75]
    )
    assert counted(ATTRMetric(3, threshold=0.8), logits, labels)["instance_recall"] == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ATTRMetric(3, threshold=1.0), "threshold: out of range; received 1.0; give a probability > 0 and < 1"),
        (lambda: MultilabelMeanAccuracy(num_iterations=0), "num_iterations: not positive; received 0"),
        (lambda: MultilabelMeanAccuracy(end_threshold=1.0), "end_threshold: out of range; received 1.0"),
    ],
)
def test_values_out_of_range_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
