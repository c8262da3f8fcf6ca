"""Rotations and margins: how often, how far, with what."""

from typing import Any

import numpy as np
import pytest
from photo import photo, rows_and_columns

from ppcls.errors import DataError
from ppcls.images.transforms.geometry import RandomHorizontalFlip
from ppcls.images.transforms.placing import Pad, Padv2, RandomRot90, RandomRotation

IMAGE = rows_and_columns(60, 80)
RNG = np.random.default_rng(0)


def test_quarter_turns_are_equally_often() -> None:
    turned = [RandomRot90()(IMAGE, np.random.default_rng(seed)) for seed in range(2000)]
    counts = [sum(np.array_equal(image, np.rot90(IMAGE, turns)) for image in turned) for turns in range(4)]
    assert sum(counts) == 2000 and min(counts) > 440


def test_a_flip_has_its_probability() -> None:
    flipped = [RandomHorizontalFlip(prob=0.3)(IMAGE, np.random.default_rng(seed)) for seed in range(1000)]
    assert abs(sum(np.array_equal(image, IMAGE[:, ::-1]) for image in flipped) / 1000 - 0.3) < 0.05


def angle(image: np.ndarray) -> float:
    """Return by how many degrees rows_and_columns has been turned counter-clockwise."""
    row, column = image[30, 40, :2].astype(float), image[30, 60, :2].astype(float)
    across = column - row
    return float(np.degrees(np.arctan2(across[0], across[1])))


@pytest.mark.parametrize(("degrees", "low", "high"), [(30, -30, 30), ([10, 20], 10, 20)])
def test_angles_are_uniform_in_their_interval(degrees: Any, low: float, high: float) -> None:
    turn = RandomRotation(prob=0.7, degrees=degrees, interpolation="bilinear")
    turned = [turn(IMAGE, np.random.default_rng(seed)) for seed in range(1500)]
    angles = [angle(image) for image in turned if image is not IMAGE]
    assert abs(len(angles) / 1500 - 0.7) < 0.04
    assert low - 2 < min(angles) < low + 3 and high - 3 < max(angles) < high + 2
    assert abs(np.mean(angles) - (low + high) / 2) < 1.5


def test_a_turn_by_90_degrees_is_exact_and_expands_to_hold_the_image() -> None:
    image = photo(60, 80)
    turn = RandomRotation(prob=1.0, degrees=[90, 90], expand=True)
    turned = turn(image, RNG)
    np.testing.assert_array_equal(turned, np.rot90(image))


@pytest.mark.parametrize("degrees", [20, 137, -60])
def test_an_expanded_image_is_whole(degrees: float) -> None:
    white = np.full((60, 80, 3), 255, np.uint8)
    turned = RandomRotation(prob=1.0, degrees=[degrees, degrees], expand=True, fill=[0, 9, 0])(white, RNG)
    assert abs((turned[..., 0] == 255).sum() / 4800 - 1) < 0.02
    assert ((turned == 255).all(axis=-1) | (turned == (0, 9, 0)).all(axis=-1)).all()


def test_the_centre_of_a_turn_stays() -> None:
    turned = RandomRotation(prob=1.0, degrees=[45, 45], center=[20.5, 10.5])(IMAGE, RNG)
    assert turned[10, 20, :2].tolist() == [10, 20]


@pytest.mark.parametrize(
    ("padding", "shape", "place"), [(3, (66, 86), (3, 3)), ([5, 2], (64, 90), (2, 5)), ([1, 2, 3, 4], (66, 84), (2, 1))]
)
def test_pad_adds_margins(padding: Any, shape: tuple[int, int], place: tuple[int, int]) -> None:
    padded = Pad(padding, fill=[9, 8, 7])(IMAGE, RNG)
    assert padded.shape == (*shape, 3)
    top, left = place
    np.testing.assert_array_equal(padded[top : top + 60, left : left + 80], IMAGE)
    outside = np.ones(shape, bool)
    outside[top : top + 60, left : left + 80] = False
    assert (padded[outside] == (9, 8, 7)).all()


@pytest.mark.parametrize(("mode", "first"), [("edge", [0, 0]), ("reflect", [3, 3]), ("symmetric", [2, 2])])
def test_pad_continues_the_image(mode: Any, first: list[int]) -> None:
    assert Pad(3, padding_mode=mode)(IMAGE, RNG)[0, 0, :2].tolist() == first


@pytest.mark.parametrize(
    ("arguments", "shape", "place"),
    [
        ({"size": [100, 90]}, (90, 100), (0, 0)),
        ({"size": [100, 90], "pad_mode": 1}, (90, 100), (15, 10)),
        ({"size": 100, "pad_mode": 2}, (100, 100), (40, 20)),
        ({"size": 100, "pad_mode": -1, "offsets": [3, 7]}, (100, 100), (7, 3)),
        ({}, (64, 96), (0, 0)),
        ({"size": [80, 60]}, (60, 80), (0, 0)),
    ],
)
def test_padv2_paints_up_to_a_size(arguments: dict[str, Any], shape: tuple[int, int], place: tuple[int, int]) -> None:
    padded = Padv2(**arguments)(IMAGE, RNG)
    assert padded.shape == (*shape, 3)
    np.testing.assert_array_equal(padded[place[0] : place[0] + 60, place[1] : place[1] + 80], IMAGE)
    assert (padded == 128).all(axis=-1).sum() == shape[0] * shape[1] - 4800


@pytest.mark.parametrize("arguments", [{"size": 70}, {"size": 90, "pad_mode": -1, "offsets": [11, 0]}])
def test_padv2_refuses_an_image_that_does_not_fit(arguments: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="Padv2: the image doesn't fit; received 80 x 60 at"):
        Padv2(**arguments)(IMAGE, RNG)


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (RandomRotation, {"degrees": -3.0}),
        (RandomRotation, {"center": [1, 2], "expand": True, "degrees": 3}),
        (RandomRotation, {"fill": 300, "degrees": 3}),
        (Pad, {"padding": [1, 2, 3]}),
        (Pad, {"padding": -1}),
        (Padv2, {"offsets": [1, 2]}),
        (Padv2, {"offsets": [1], "pad_mode": -1}),
        (Padv2, {"size_divisor": 0}),
        (Padv2, {"fill_value": [1, 2]}),
    ],
)
def test_arguments_without_sense_are_refused(kind: type, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(arguments))}: .*; received"):
        kind(**arguments)
