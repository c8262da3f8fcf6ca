"""Mixup mixes images and labels by one share."""

import numpy as np
import pytest

from ppcls.data.mixing import MixupOperator


def test_mixup_mixes_each_image_with_one_other_and_the_labels_alike() -> None:
    labels = np.array([0, 3, 1, 2])
    # Each image holds the one-hot row of its label, so that a mixed image shows what its label must be.
    images = np.eye(4, dtype=np.float32)[labels][:, :, None, None] * np.ones((1, 1, 5, 6), np.float32)
    before = images.copy()
    mixed, soft = MixupOperator(4, alpha=0.5, class_num=4)(images, labels, np.random.default_rng(1))
    assert mixed.shape == images.shape and mixed.dtype == soft.dtype == np.float32
    np.testing.assert_array_equal(mixed[:, :, 2, 3], soft)
    np.testing.assert_allclose(soft.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(images, before)


def test_the_share_follows_the_beta_distribution() -> None:
    labels, images = np.array([0, 1]), np.zeros((2, 3, 1, 1), np.float32)
    shares = []
    for seed in range(2000):
        _, soft = MixupOperator(2, alpha=0.4)(images, labels, np.random.default_rng(seed))
        if soft[0, 1] > 0:
            shares.append(soft[0, 0])
    assert abs(np.mean(shares) - 0.5) < 0.04
    assert abs(np.var(shares) - 1 / (4 * (2 * 0.4 + 1))) < 0.015


def test_soft_labels_can_be_mixed_again() -> None:
    mixup, rng = MixupOperator(3), np.random.default_rng(0)
    _, soft = mixup(*mixup(np.zeros((4, 3, 1, 1), np.float32), np.array([0, 1, 2, 0]), rng), rng)
    np.testing.assert_allclose(soft.sum(axis=1), 1, rtol=1e-6)


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="alpha: must be positive; received 0"):
        MixupOperator(10, alpha=0.0)
    with pytest.raises(ValueError, match="class_num: the model has 10; received 1000"):
        MixupOperator(10, class_num=1000)
