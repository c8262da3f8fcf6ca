"""Numbers of a report: shares with intervals, confusion, worst errors, doubtful labels, calibration."""

import numpy as np
import pytest

from ppcls.errors import DataError
from ppcls.inference.honesty import fit
from ppcls.report.calibration import expected_error, reliability
from ppcls.report.evaluation import Evaluation
from ppcls.report.intervals import f1, share


def evaluation() -> Evaluation:
    """Of four images of a cat and two of a dog, one cat is taken for a dog and one dog for a cat."""
    labels = np.array([0, 0, 0, 0, 1, 1])
    of_cat = np.array([0.9, 0.8, 0.7, 0.3, 0.6, 0.1], "float32")
    scores = np.stack([of_cat, 1 - of_cat], axis=1)
    return Evaluation([f"{number}.jpg" for number in range(6)], labels, scores, ["cat", "dog"])


def test_wilson_intervals_are_those_of_the_literature() -> None:
    # Newcombe (1998), table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29; method 3.
    for part, whole, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611),
                                   (1, 29, 0.0061, 0.1718)):  # fmt: skip
        assert share(part, whole)[1:] == pytest.approx((low, high), abs=6e-5)
    assert share(0, 0) == (0.0, 0.0, 1.0)
    assert f1(3, 2).value == pytest.approx(2 * 3 / (2 * 3 + 2)) and f1(3, 2).low < f1(3, 2).value < f1(3, 2).high


def test_classes_and_confusion_are_counted() -> None:
    found = evaluation()
    assert found.confusion.tolist() == [[3, 1], [1, 1]]
    cat, dog = found.per_class
    assert (cat.precision.value, cat.recall.value, cat.support, cat.answers) == (0.75, 0.75, 4, 4)
    assert (dog.precision.value, dog.recall.value, dog.f1.value) == (0.5, 0.5, 0.5)
    assert found.metrics == pytest.approx({"accuracy": 4 / 6, "precision": 0.625, "recall": 0.625, "f1": 0.625})
    assert [tuple(pair) for pair in found.confused()] == [("cat", "dog", 1, 4), ("dog", "cat", 1, 2)]
    assert [(one.path, one.label, one.predicted) for one in found.worst()] == [
        ("3.jpg", "cat", "dog"),
        ("4.jpg", "dog", "cat"),
    ]


def test_several_classes_an_image_have_shares_too() -> None:
    labels = np.array([[1, 0], [1, 1], [0, 1]])
    scores = np.array([[0.9, 0.2], [0.8, 0.1], [0.6, 0.7]], "float32")
    found = Evaluation(["a", "b", "c"], labels, scores, ["cat", "dog"])
    assert found.right.tolist() == [True, False, False]
    assert [(row.precision.value, row.recall.value) for row in found.per_class] == [(2 / 3, 1.0), (1.0, 0.5)]
    assert [(one.path, one.label, one.predicted) for one in found.worst()] == [
        ("b", "cat|dog", "cat"),
        ("c", "dog", "cat|dog"),
    ]


def test_wrong_labels_stand_first_among_the_suspects() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(200) % 4
    features = (np.eye(4)[labels] @ rng.normal(size=(4, 12)) * 2 + rng.normal(size=(200, 12))).astype("float32")
    noisy, flipped = labels.copy(), rng.permutation(200)[:20]
    noisy[flipped] = (labels[flipped] + 1) % 4
    paths = [str(number) for number in range(200)]
    found = Evaluation(paths, noisy, np.eye(4, dtype="float32")[noisy], list("abcd"), features)
    suspects = found.suspects(30)
    assert len({one.place for one in suspects} & set(flipped.tolist())) >= 18
    right = {one.place: one.predicted for one in suspects}
    assert sum(right.get(place) == "abcd"[labels[place]] for place in flipped.tolist()) >= 18


def overconfident(num: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores of a model whose logits are three times what they should be, and labels drawn as they should be."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(num, 5)) * 2
    honest = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.array([rng.choice(5, p=row) for row in honest])
    sharp = np.exp(3 * logits)
    return (sharp / sharp.sum(axis=1, keepdims=True)).astype("float32"), labels


def test_what_is_fitted_makes_scores_honest_on_other_images() -> None:
    honest = fit(*overconfident(2000, 0))
    assert honest.temperature == pytest.approx(3, rel=0.1)
    scores, labels = overconfident(4000, 1)
    calibrated = honest.calibrated(scores)
    before, after = (expected_error(reliability(found, labels)) for found in (scores, calibrated))
    assert after < 0.03 < before
    covered = honest.sets(calibrated)[np.arange(len(labels)), labels].mean()
    assert 0.88 < covered < 0.92
    right = calibrated.argmax(axis=1) == labels
    assert 0.93 < (calibrated.max(axis=1)[right] >= honest.reject_below).mean() < 0.97
    assert (calibrated.argmax(axis=1) == scores.argmax(axis=1)).all()


def test_a_model_that_is_always_right_does_not_become_surer_without_bound() -> None:
    labels = np.arange(40) % 2
    scores = np.where(np.eye(2)[labels] > 0, 0.95, 0.05).astype("float32")
    assert fit(scores, labels).calibrated(scores).max() == pytest.approx(1 - 1 / 42, abs=1e-6)
    with pytest.raises(DataError, match="needs 20 labelled images or more; received 3"):
        fit(scores[:3], labels[:3])
