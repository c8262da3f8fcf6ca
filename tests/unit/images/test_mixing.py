"""Mixing: what each image holds is what its soft label says."""

from typing import Callable

import numpy as np
import pytest

from ppcls.errors import ConfigError
from ppcls.images import BATCH_TRANSFORMS
from ppcls.images.mixing.operators import Candidate, CutmixOperator, FmixOperator, MixupOperator, OpSampler
from ppcls.registry import Facts, Part

LABELS = np.array([0, 3, 1, 2])
MIXINGS = [MixupOperator, CutmixOperator, FmixOperator]


def one_hot_images(height: int = 20, width: int = 30) -> np.ndarray:
    """Images that hold the one-hot row of their label at each pixel, so that they show what theirs must be."""
    return np.eye(4, dtype=np.float32)[LABELS][:, :, None, None] * np.ones((1, 1, height, width), np.float32)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("mix", [MixupOperator(4, alpha=0.5), CutmixOperator(4, alpha=1.0), FmixOperator(4)])
def test_the_label_says_how_much_of_whom_an_image_holds(mix: Callable, seed: int) -> None:
    mixed, soft = mix(one_hot_images(), LABELS, np.random.default_rng(seed))
    assert mixed.shape == (4, 4, 20, 30) and mixed.dtype == soft.dtype == np.float32
    np.testing.assert_allclose(soft.sum(axis=1), 1, rtol=1e-6)
    # Fmix: half a pixel of 600, as the region has whole ones.
    np.testing.assert_allclose(mixed.mean(axis=(2, 3)), soft, atol=0.5 / 600 + 1e-6)


def test_mixup_blends_every_pixel_alike_and_leaves_its_input() -> None:
    images = one_hot_images()
    mixed, soft = MixupOperator(4, alpha=0.5)(images, LABELS, np.random.default_rng(1))
    np.testing.assert_array_equal(mixed, np.broadcast_to(soft[:, :, None, None], mixed.shape))
    np.testing.assert_array_equal(images, one_hot_images())


def test_the_share_of_mixup_follows_the_beta_distribution() -> None:
    labels, images = np.array([0, 1]), np.zeros((2, 3, 1, 1), np.float32)
    shares = []
    for seed in range(2000):
        _, soft = MixupOperator(2, alpha=0.4)(images, labels, np.random.default_rng(seed))
        if soft[0, 1] > 0:
            shares.append(soft[0, 0])
    assert abs(np.mean(shares) - 0.5) < 0.04
    assert abs(np.var(shares) - 1 / (4 * (2 * 0.4 + 1))) < 0.015


def test_cutmix_replaces_one_rectangle_at_any_place() -> None:
    changed, areas, whole = np.zeros((60, 90)), [], one_hot_images(60, 90)
    for seed in range(600):
        mixed, _ = CutmixOperator(4, alpha=1.0)(whole.copy(), LABELS, np.random.default_rng(seed))
        assert set(np.unique(mixed)) <= {0, 1}
        other = (mixed != whole).any(axis=(0, 1))
        rows, columns = np.flatnonzero(other.any(axis=1)), np.flatnonzero(other.any(axis=0))
        if len(rows):
            assert other[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        changed += other
        areas.append(other.mean())
    # A side p of the whole keeps p - p^2 / 4 inside: 0.32 on average, but for the permutation that moves nothing.
    assert abs(np.mean(areas) - 0.32 * 23 / 24) < 0.03 and max(areas) > 0.85
    corners, middle = changed[[0, 0, -1, -1], [0, -1, 0, -1]] / 600, changed[30, 45] / 600
    assert 0.08 < corners.min() and corners.max() < 0.25 and 0.35 < middle < 0.6


def test_fmix_replaces_a_region_whose_border_is_short_and_whose_area_is_the_share() -> None:
    areas, borders = [], []
    for seed in range(100):
        mixed, soft = FmixOperator(4)(one_hot_images(60, 80), LABELS, np.random.default_rng(seed))
        other = (mixed != one_hot_images(60, 80)).any(axis=(0, 1))
        areas.append(other.mean())
        borders.append(np.abs(np.diff(other.astype(int), axis=1)).mean())
        assert set(np.unique(mixed)) <= {0, 1}
    assert abs(np.mean(areas) - 0.5) < 0.1 and abs(np.var(areas) - 1 / 12) < 0.03
    assert np.mean(borders) < 0.05  # noise would have 0.5


def test_fmix_blends_over_the_border_and_can_favour_the_image_itself() -> None:
    rng = np.random.default_rng(0)
    mask = FmixOperator(4, max_soft=0.1)._mask(40, 50, 0.6, rng)
    assert abs(mask.mean() - 0.6) < 1e-3
    assert abs(((mask > 0) & (mask < 1)).mean() - 0.2) < 0.01
    shares = [
        FmixOperator(2, alpha=1.0, reformulate=True)._mix(np.zeros((1, 1, 2, 2), np.float32), np.array([0]), rng)[1]
        for _ in range(500)
    ]
    assert abs(np.mean(shares) - 2 / 3) < 0.05


@pytest.mark.parametrize("kind", MIXINGS)
def test_soft_labels_can_be_mixed_again_and_float16_stays(kind: type) -> None:
    mix, rng = kind(4), np.random.default_rng(0)
    images, soft = mix(*mix(one_hot_images().astype(np.float16), LABELS, rng), rng)
    assert images.dtype == np.float16
    np.testing.assert_allclose(soft.sum(axis=1), 1, rtol=1e-6)


def candidate(name: str, prob: float, **args: float) -> Candidate:
    return Candidate(name, args, "", prob)


def test_the_sampler_chooses_by_the_probabilities_or_leaves_the_batch() -> None:
    choose = OpSampler(
        4, MixupOperator=candidate("MixupOperator", 0.5), CutmixOperator=candidate("CutmixOperator", 0.3)
    )
    kinds = []
    for seed in range(1000):
        mixed, soft = choose(one_hot_images(4, 4), LABELS, np.random.default_rng(seed))
        assert soft.shape == (4, 4) and soft.dtype == np.float32
        kinds.append(
            "mixup" if len(np.unique(mixed)) > 2 else "whole" if (mixed == one_hot_images(4, 4)).all() else "cut"
        )
    assert abs(kinds.count("mixup") / 1000 - 0.5 * 23 / 24) < 0.05  # but for the permutation that moves nothing
    assert kinds.count("cut") > 100 and kinds.count("whole") > 200


@pytest.mark.parametrize("kind", MIXINGS)
def test_bad_arguments_are_refused(kind: type) -> None:
    with pytest.raises(ValueError, match="alpha: must be positive; received 0"):
        kind(10, alpha=0.0)
    with pytest.raises(ConfigError, match="class_num: the model has 10; received 1000"):
        BATCH_TRANSFORMS.build(Part(kind.__name__, {"class_num": 1000}), Facts(class_num=10))


def test_a_sampler_without_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="prob: must add up to at most 1; received MixupOperator: 0.7, CutmixOperator"):
        OpSampler(4, MixupOperator=candidate("MixupOperator", 0.7), CutmixOperator=candidate("CutmixOperator", 0.6))
    with pytest.raises(ValueError, match="received no operator"):
        OpSampler(4)
    with pytest.raises(ConfigError, match="MixupOperator: alpha: must be positive"):
        OpSampler(4, MixupOperator=candidate("MixupOperator", 0.7, alpha=0.0))
    with pytest.raises(ValueError, match="max_soft: must be from 0 to 0.5"):
        FmixOperator(4, max_soft=0.6)
