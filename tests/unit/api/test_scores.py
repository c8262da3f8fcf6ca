"""Numbers that follow from scores and labels."""

import numpy as np
import pytest

from ppcls.api.evaluation import Evaluation

NAMES = ("cat", "dog", "owl")


def one_class() -> Evaluation:
    scores = np.array([[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.2, 0.5, 0.3], [0.1, 0.1, 0.8]], np.float32)
    return Evaluation(["a", "b", "c", "d"], np.array([0, 0, 1, 2]), scores, NAMES)


def test_confusion_and_scores_of_each_class_are_counts() -> None:
    found = one_class()
    assert found.confusion.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]
    cat, dog, owl = found.per_class
    assert (cat.precision, cat.recall, cat.support) == (1.0, 0.5, 2)
    assert (dog.precision, dog.recall, dog.f1) == (0.5, 1.0, pytest.approx(2 / 3))
    assert (owl.f1, owl.support) == (1.0, 1)
    assert found.metrics["accuracy"] == 0.75
    assert found.metrics["recall"] == pytest.approx(2.5 / 3)


def test_the_worst_answers_and_the_suspects_are_those_whose_label_has_least() -> None:
    (worst,) = one_class().worst()
    assert (worst.path, worst.label, worst.predicted) == ("b", "cat", "dog")
    assert (worst.score, worst.label_score) == (pytest.approx(0.6), pytest.approx(0.3))
    assert [one.path for one in one_class().suspects(2)] == ["b", "c"]


def test_an_image_of_several_classes_is_right_class_by_class() -> None:
    labels, scores = np.array([[1, 0, 1], [0, 1, 0]]), np.array([[0.9, 0.2, 0.4], [0.1, 0.8, 0.7]], np.float32)
    found = Evaluation(["a", "b"], labels, scores, NAMES)
    assert found.metrics["accuracy"] == pytest.approx(4 / 6)
    assert found.confusion[2].tolist() == [[0, 1], [1, 0]]
    assert [(one.path, one.label, one.predicted) for one in found.worst()] == [
        ("b", "dog", "dog|owl"),
        ("a", "cat|owl", "cat"),
    ]


def test_it_shows_itself_in_a_notebook_without_taking_names_for_html() -> None:
    shown = Evaluation(["a"], np.array([0]), np.array([[1.0, 0.0]], np.float32), ["<b>", "x"])._repr_html_()
    assert "&lt;b&gt;" in shown and "<b>" not in shown
