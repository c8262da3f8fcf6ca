"""Mixup and Cutmix in one: what each image holds is what its label says, and draws are as the arguments say."""

from typing import Any

import numpy as np
import pytest

from ppcls.images.mixing.hybrid import MixupCutmixHybrid

LABELS = np.array([0, 3, 1, 2, 1, 0])
MODES = ["batch", "pair", "elem"]


def one_hot_images(height: int = 20, width: int = 30) -> np.ndarray:
    """Images that hold the one-hot row of their label at each pixel, so that they show what theirs must be."""
    return np.eye(4, dtype=np.float32)[LABELS][:, :, None, None] * np.ones((1, 1, height, width), np.float32)


def mixed(seed: int, **arguments: Any) -> tuple[np.ndarray, np.ndarray]:
    return MixupCutmixHybrid(4, **arguments)(one_hot_images(), LABELS, np.random.default_rng(seed))


def shares(seed: int, **arguments: Any) -> np.ndarray:
    """Return how much the first three of six images, all different from their partners, have of their own."""
    return mixed(seed, label_smoothing=0.0, **arguments)[1][np.arange(1, 3), LABELS[1:3]]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", [{}, {"mixup_alpha": 0.0, "cutmix_alpha": 1.0}, {"cutmix_minmax": [0.2, 0.8]}])
def test_the_label_says_how_much_of_whom_an_image_holds(mode: str, kind: dict) -> None:
    for seed in range(10):
        images, soft = mixed(seed, mode=mode, label_smoothing=0.2, num_classes=4, **kind)
        assert images.dtype == soft.dtype == np.float32
        np.testing.assert_allclose(images.mean(axis=(2, 3)) * 0.8 + 0.2 / 4, soft, atol=1e-5)


def test_a_draw_is_for_the_batch_for_a_pair_or_for_one_sample() -> None:
    def own(mode: str) -> np.ndarray:
        images = np.zeros((5, 1, 2, 2), np.float32)
        return MixupCutmixHybrid(5, mode=mode, label_smoothing=0.0)(images, np.arange(5), np.random.default_rng(0))[
            1
        ].diagonal()

    # The one in the middle is its own partner.
    batch, pair, elem = map(own, MODES)
    assert batch[2] == 1 and len(set(batch[[0, 1, 3, 4]].tolist())) == 1
    assert pair[2] == 1 and pair[0] == pair[4] and pair[1] == pair[3] and pair[0] != pair[1]
    assert elem[2] == 1 and len(set(elem.tolist())) == 5


def test_shares_follow_the_beta_distribution_of_their_kind() -> None:
    drawn = np.concatenate([shares(seed, mixup_alpha=0.4, mode="elem") for seed in range(1000)])
    assert abs(drawn.mean() - 0.5) < 0.03
    assert abs(drawn.var() - 1 / (4 * (2 * 0.4 + 1))) < 0.015
    drawn = np.concatenate(
        [shares(seed, mixup_alpha=0.0, cutmix_alpha=1.0, correct_lam=False, mode="elem") for seed in range(1000)]
    )
    assert abs(drawn.mean() - 0.5) < 0.03 and abs(drawn.var() - 1 / 12) < 0.01


def test_kinds_and_untouched_draws_are_as_often_as_they_say() -> None:
    kinds = []
    for seed in range(1500):
        images, _ = mixed(seed, cutmix_alpha=1.0, prob=0.8, switch_prob=0.25)
        kinds.append(
            "mixup"
            if not set(np.unique(images)) <= {0, 1}
            else "same"
            if (images == one_hot_images()).all()
            else "cutmix"
        )
    assert abs(kinds.count("mixup") / 1500 - 0.8 * 0.75) < 0.04
    assert abs(kinds.count("cutmix") / 1500 - 0.8 * 0.25) < 0.03


def test_cutmix_within_bounds_cuts_sides_of_these_lengths_anywhere_inside() -> None:
    heights, tops = [], []
    for seed in range(600):
        images, _ = mixed(seed, mixup_alpha=0.0, cutmix_minmax=[0.2, 0.5])
        rows = np.flatnonzero((images[1] != one_hot_images()[1]).any(axis=(0, 2)))
        heights.append(len(rows))
        tops.append(rows[0] / (20 - len(rows)))
    assert set(heights) == set(range(4, 11))
    assert abs(np.mean(tops) - 0.5) < 0.04 and min(tops) == 0 and max(tops) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mixup_alpha": 0.0}, "one must be positive, none negative; received 0.0, 0.0"),
        ({"cutmix_alpha": -1.0}, "one must be positive, none negative; received 1.0, -1.0"),
        ({"cutmix_minmax": [0.8, 0.2]}, r"cutmix_minmax: must be two fractions, low < high; received \[0.8, 0.2\]"),
        ({"num_classes": 1000}, "num_classes: the model has 4; received 1000"),
        ({"prob": 1.5}, "prob: must be from 0 to 1; received 1.5"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MixupCutmixHybrid(4, **arguments)
