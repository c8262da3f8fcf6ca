"""Transforms that are done by chance."""

import numpy as np
import pytest
from photo import photo

from ppcls.errors import ConfigError
from ppcls.images.transforms.chance import RandomApply
from ppcls.registry import Part

FLIP, TURN = Part("RandFlipImage", {"flip_code": 1}), Part("RandomRotation", {"prob": 1.0, "degrees": [90, 90]})


def test_all_or_none_are_done_with_the_probability() -> None:
    image = photo(40, 40)
    turned = np.rot90(image)
    results = [RandomApply([TURN, TURN], p=0.7)(image, np.random.default_rng(seed)) for seed in range(600)]
    done = [not np.array_equal(result, image) for result in results]
    assert abs(np.mean(done) - 0.7) < 0.05
    twice = np.rot90(turned)
    assert all(np.array_equal(result, twice if applied else image) for result, applied in zip(results, done))


def test_what_is_inside_draws_for_itself() -> None:
    results = [RandomApply([FLIP], p=1.0)(photo(), np.random.default_rng(seed)) for seed in range(400)]
    flipped = np.mean([np.array_equal(result, photo()[:, ::-1]) for result in results])
    assert abs(flipped - 0.5) < 0.07


@pytest.mark.parametrize("part", [Part("DecodeImage"), Part("ToTensor"), Part("RandomErasing", {"mode": "pixel"})])
def test_what_can_not_stand_before_normalizeimage_is_refused(part: Part) -> None:
    with pytest.raises(ValueError, match=f"stand before NormalizeImage; received {part.name}; move it out"):
        RandomApply([part])


def test_a_bad_argument_inside_is_told_with_its_name() -> None:
    with pytest.raises(ConfigError, match="RandomGrayscale: p: must be from 0 to 1; received 2"):
        RandomApply([Part("RandomGrayscale", {"p": 2})])
    with pytest.raises(ValueError, match="p: must be from 0 to 1; received -1"):
        RandomApply([FLIP], p=-1)
