"""How often policies do what, and how much."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from photo import photo

from ppcls.images.transforms import policy
from ppcls.images.transforms.pixels import Operation
from ppcls.images.transforms.policy import (
    ORIGINAL,
    AugMix,
    AutoAugment,
    RandAugment,
    RandAugmentV2,
    RandAugmentV3,
    RandAugmentV4,
    mixture,
)

IMAGE = photo(32, 32)


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float]]:
    """Names and amounts of the operations that are done."""
    seen: list[tuple[str, float]] = []
    original = Operation.__call__

    def note(self: Operation, image: np.ndarray, level: float, fill: Any, rng: np.random.Generator) -> np.ndarray:
        offset = self.slope * level
        seen.append((self.name, self.start + (self.whole(offset) if self.whole else offset)))
        return original(self, image, level, fill, rng)

    monkeypatch.setattr(Operation, "__call__", note)
    return seen


def amounts(done: list[tuple[str, float]]) -> dict[str, float]:
    return {name: round(amount, 3) for name, amount in done}


def test_autoaugment_does_the_two_operations_of_a_policy_by_their_probabilities(done: list) -> None:
    augment = AutoAugment()
    for seed in range(3000):
        augment(IMAGE, np.random.default_rng(seed))
    expected = Counter()
    for pair in ORIGINAL:
        for name, chance, _ in pair:
            expected[name] += chance / 25
    counts = Counter(name for name, _ in done)
    assert set(counts) == set(expected)
    for name in counts:
        assert abs(counts[name] / 3000 - expected[name]) < 0.035, name
    assert {amount for name, amount in done if name == "Posterize"} == {4, 5, 6}
    assert {round(amount) for name, amount in done if name == "Rotate"} == {10, 27, 30}
    assert {round(amount, 1) for name, amount in done if name == "Color"} == {1, 1.2, 1.4, 1.8}


@pytest.mark.parametrize(
    ("augment", "operations", "expected"),
    [
        (
            RandAugment(num_layers=2, magnitude=5),
            14,
            {"Rotate": 15, "Posterize": 2, "Solarize": 128, "ShearX": 0.15, "TranslateY": 0.227, "Color": 1.45},
        ),
        (
            RandAugmentV2(num_layers=2, magnitude=10),
            16,
            {"Rotate": 30, "SolarizeAdd": 110, "Cutout": 40, "TranslateXPx": 100, "Contrast": 1.9, "Posterize": 4},
        ),
        (
            RandAugmentV3(num_layers=2),
            14,
            {"Rotate": 9, "Posterize": 7, "Solarize": 178.5, "ShearY": 0.09, "Sharpness": 1.27, "TranslateX": 0.136},
        ),
    ],
)
def test_randaugment_draws_its_operations_equally_often_at_its_magnitude(
    done: list, augment: RandAugment, operations: int, expected: dict[str, float]
) -> None:
    for seed in range(1500):
        augment(IMAGE, np.random.default_rng(seed))
    counts = Counter(name for name, _ in done)
    assert len(counts) == operations and sum(counts.values()) == 3000
    assert max(abs(count / 3000 - 1 / operations) for count in counts.values()) < 0.02
    assert {name: amounts(done)[name] for name in expected} == expected


def test_randaugment_v4_draws_levels_as_well_and_does_half_of_it(done: list) -> None:
    augment = RandAugmentV4()
    for seed in range(2000):
        augment(IMAGE, np.random.default_rng(seed))
    counts = Counter(name for name, _ in done)
    assert len(counts) == 15 and abs(sum(counts.values()) / 4000 - 0.5) < 0.03
    assert {round(amount * 9 / 30) for name, amount in done if name == "Rotate"} == set(range(1, 10))
    assert {amount for name, amount in done if name == "Cutout"} == {2, 4, 7, 9, 11, 13, 16, 18, 20}


def test_what_comes_into_view_has_the_colour_asked_for() -> None:
    grey, red = (policy.RandAugmentV3(fillcolor=fill, magnitude=9) for fill in ([128, 128, 128], [255, 0, 0]))
    found = 0
    for seed in range(60):
        one, other = (augment(np.zeros((40, 40, 3), np.uint8), np.random.default_rng(seed)) for augment in (grey, red))
        changed = (one != other).any(axis=-1)
        found += bool(changed.any())
    assert found > 15


def test_augmix_lies_between_the_image_and_its_chains() -> None:
    rng = np.random.default_rng(0)
    images = [mixture(IMAGE, lambda image, _: ~image, rng, width=3, depth=1, concentration=1.0) for _ in range(400)]
    shares = [(IMAGE.astype(float) - image)[0, 0, 0] / (2.0 * IMAGE[0, 0, 0] - 255) for image in images]
    assert -0.01 < min(shares) and max(shares) < 1.01
    assert abs(np.mean(shares) - 0.5) < 0.05 and abs(np.var(shares) - 1 / 12) < 0.02


def test_a_mixture_of_unchanged_images_is_the_image() -> None:
    same = mixture(IMAGE, lambda image, _: image, np.random.default_rng(1), width=3, depth=-1, concentration=0.1)
    np.testing.assert_array_equal(same, IMAGE)


@pytest.mark.parametrize(("depth", "lengths"), [(2, {2}), (-1, {1, 2, 3})])
def test_augmix_has_chains_of_the_length_asked_for(done: list, depth: int, lengths: set[int]) -> None:
    augment, seen = AugMix(prob=1.0, mixture_width=1, mixture_depth=depth), set()
    for seed in range(60):
        done.clear()
        augment(IMAGE, np.random.default_rng(seed))
        seen.add(len(done))
    assert seen == lengths


def test_augmix_changes_its_share_of_images_within_its_severity(done: list) -> None:
    changed = sum(AugMix(prob=0.3)(IMAGE, np.random.default_rng(seed)) is not IMAGE for seed in range(1000))
    assert abs(changed / 1000 - 0.3) < 0.05
    assert len(amounts(done)) == 9
    assert max(amount for name, amount in done if name == "Rotate") <= 3
    assert min(amount for name, amount in done if name == "Solarize") >= 256 - 26


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (RandAugment, {"num_layers": 0}),
        (RandAugment, {"magnitude": -1}),
        (AutoAugment, {"fillcolor": [1, 2]}),
        (RandAugmentV3, {"fillcolor": [1, 2, 256]}),
        (AugMix, {"prob": 1.5}),
        (AugMix, {"aug_prob_coeff": 0}),
        (AugMix, {"mixture_width": 0}),
        (AugMix, {"mixture_depth": 0}),
        (AugMix, {"aug_severity": 0}),
    ],
)
def test_arguments_without_sense_are_refused(kind: type, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(arguments))}: .*; received"):
        kind(**arguments)
