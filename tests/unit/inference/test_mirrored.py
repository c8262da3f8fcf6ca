"""Test-time augmentation."""

from pathlib import Path

import numpy as np

import ppcls


def test_the_scores_are_the_mean_of_an_image_and_its_mirror_image(exported: Path, photos: list[bytes]) -> None:
    plain, both = ppcls.Predictor(exported), ppcls.Predictor(exported, tta=True)
    images = plain.finish(np.stack([plain.pipeline.sample(photo, np.random.default_rng(0)) for photo in photos[:3]]))
    mean = (plain.scores(images) + plain.scores(np.ascontiguousarray(images[..., ::-1]))) / 2
    np.testing.assert_array_equal(both.clone().scores(images), mean)
    assert "mirror images" in both.about
