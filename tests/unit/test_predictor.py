from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppcls.errors import DataError, DeviceError
from ppcls.predictor import Predictor


@pytest.fixture(scope="module")
def images(exported: Path, photos: list[bytes]) -> np.ndarray:
    pipeline = Predictor(exported).pipeline
    return pipeline.finish(np.stack([pipeline.sample(photo, np.random.default_rng(0)) for photo in photos]))


def test_scores_add_up_to_one_and_do_not_depend_on_the_batch(exported: Path, images: np.ndarray) -> None:
    predictor = Predictor(exported)
    scores = predictor.scores(images)
    assert (scores.shape, scores.dtype) == ((20, 10), np.float32)
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-5)
    one_by_one = np.concatenate([predictor.scores(image[None]) for image in images])
    np.testing.assert_allclose(scores, one_by_one, atol=1e-5)
    assert np.array_equal(predictor.scores(images), scores)


@pytest.mark.parametrize("setting", [{"onednn": False}, {"optimise": False}, {"threads": 1}])
def test_settings_do_not_change_the_scores(exported: Path, images: np.ndarray, setting: dict[str, Any]) -> None:
    expected = Predictor(exported).scores(images)
    np.testing.assert_allclose(Predictor(exported, **setting).scores(images), expected, atol=1e-4)


def test_a_predictor_carries_its_preprocessing(exported: Path, photos: list[bytes]) -> None:
    predictor = Predictor(exported)
    image = predictor.pipeline.sample(photos[0], np.random.default_rng(0))
    assert image.shape == (32, 32, 3)
    assert predictor.artifact.PostProcess.Topk.label_list[3] == "digit 3"


def test_images_of_another_size_are_refused(exported: Path) -> None:
    message = r"the model takes images \[N, 3, 32, 32\]; received \[1, 3, 48, 48\]; correct or remove the transforms"
    with pytest.raises(DataError, match=message):
        Predictor(exported).scores(np.zeros((1, 3, 48, 48), "float32"))


@pytest.mark.parametrize(
    ("setting", "name"), [({"precision": "float16"}, "use_fp16"), ({"tensorrt": True}, "use_tensorrt")]
)
def test_what_only_a_gpu_does_is_refused_elsewhere(exported: Path, setting: dict[str, Any], name: str) -> None:
    with pytest.raises(DeviceError, match=f"{name}: works on a GPU only; received device 'cpu'; leave it out"):
        Predictor(exported, **setting)
