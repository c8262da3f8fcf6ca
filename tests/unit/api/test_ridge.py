"""Closed-form classifiers."""

from pathlib import Path

import numpy as np
import pytest

from ppcls.api import ridge
from ppcls.errors import CheckpointError, ConfigError

NAMES = ("cat", "dog", "owl")


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    """Of 90 images, 30 of each class, 8 numbers each."""
    rng = np.random.default_rng(0)
    return (rng.normal(size=(90, 8)) + np.repeat(np.eye(3, 8), 30, axis=0)).astype(np.float32)


LABELS = np.repeat(np.arange(3), 30)
CHOSEN = ridge.Settings(0.01, 4.0)


def test_leave_one_out_equals_fitting_without_each_image(features: np.ndarray) -> None:
    x, y = features.astype(np.float64), np.eye(3)[LABELS]
    found = ridge.leave_one_out(ridge.Basis(x), y, 0.1)
    centred = x - x.mean(axis=0)
    penalty = 0.1 * np.trace(centred.T @ centred) / 8 * np.eye(8)
    for place in (0, 31, 89):
        rest = np.arange(90) != place
        mean, shares = x[rest].mean(axis=0), y[rest].mean(axis=0)
        left = x[rest] - mean
        weight = np.linalg.solve(left.T @ left + penalty, left.T @ (y[rest] - shares))
        np.testing.assert_allclose(found[place], shares + (x[place] - mean) @ weight, rtol=1e-9)


def test_the_head_finds_the_classes_and_its_scores_are_likely(features: np.ndarray) -> None:
    targets = np.eye(3)[LABELS]
    head, chosen = ridge.fit(features, targets, several=False)
    logits = features @ head.weight + head.bias
    assert (logits.argmax(axis=1) == LABELS).mean() > 0.6
    assert chosen.strength in ridge.STRENGTHS and chosen.scale in ridge.SCALES
    of_statistics = ridge.gather(features, LABELS, NAMES, chosen).head()
    np.testing.assert_allclose(of_statistics.weight, head.weight, atol=1e-9)
    np.testing.assert_allclose(of_statistics.bias, head.bias, atol=1e-9)
    several, _ = ridge.fit(features, targets, several=True)
    flags = features @ several.weight + several.bias > 0
    assert (flags == (targets > 0)).mean() > 0.7


def test_few_images_of_many_numbers_are_fitted_as_many_of_few(features: np.ndarray) -> None:
    few, labels = features[::15], LABELS[::15]
    head, chosen = ridge.fit(few, np.eye(3)[labels], several=False)
    for left, right in zip(ridge.gather(few, labels, NAMES, chosen).head(), head):
        np.testing.assert_allclose(left, right, atol=1e-9)


def same(one: ridge.Statistics, other: ridge.Statistics) -> None:
    assert list(one.class_names) == list(other.class_names)
    for left, right in zip(one.head(), other.head()):
        np.testing.assert_allclose(left, right, rtol=0, atol=1e-6)


def test_classes_and_images_join_and_leave_as_if_fitted_from_scratch(features: np.ndarray) -> None:
    whole = ridge.gather(features, LABELS, NAMES, CHOSEN)
    two = ridge.gather(features[:60], LABELS[:60], NAMES[:2], CHOSEN)
    same(two.with_images("owl", features[60:]), whole)
    same(two.with_images("owl", features[60:65]).with_images("owl", features[65:]), whole)
    same(whole.without("owl"), two)
    assert all(len(factor) <= 8 for factor in whole.factors)  # and not 30 images
    with pytest.raises(ConfigError, match="two must stay"):
        two.without("dog")


def test_statistics_are_read_as_they_were_written(features: np.ndarray, tmp_path: Path) -> None:
    whole = ridge.gather(features, LABELS, NAMES, CHOSEN)
    whole.write(tmp_path / "statistics.npz")
    same(ridge.read(tmp_path / "statistics.npz"), whole)
    (tmp_path / "statistics.npz").write_bytes(b"none")
    with pytest.raises(CheckpointError, match="no statistics"):
        ridge.read(tmp_path / "statistics.npz")


def test_a_file_of_statistics_that_is_empty_or_one_array_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.npz").write_bytes(b"")
    np.save(tmp_path / "array.npy", np.ones(3))
    for name in ("empty.npz", "array.npy"):
        with pytest.raises(CheckpointError, match="no statistics"):
            ridge.read(tmp_path / name)
