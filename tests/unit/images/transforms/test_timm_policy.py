"""timm's texts are read, and done as often and as much as they say."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from photo import photo

from ppcls.images.transforms.pixels import Operation
from ppcls.images.transforms.timm_policy import TimmAutoAugment

IMAGE = photo(32, 32)
RAND = {*"AutoContrast Equalize Invert Rotate Posterize Solarize SolarizeAdd Color Contrast Brightness".split()}
RAND |= {*"Sharpness ShearX ShearY TranslateX TranslateY".split()}


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Operation, float]]:
    """The operations that are done, and their levels."""
    seen: list[tuple[Operation, float]] = []
    original = Operation.__call__

    def note(self: Operation, image: np.ndarray, level: float, fill: Any, rng: np.random.Generator) -> np.ndarray:
        seen.append((self, level))
        return original(self, image, level, fill, rng)

    monkeypatch.setattr(Operation, "__call__", note)
    return seen


def draw(times: int = 2000, **arguments: Any) -> int:
    """Apply the policy so many times; return how often the image became another one."""
    augment = TimmAutoAugment(**arguments)
    return sum(augment(IMAGE, np.random.default_rng(seed)) is not IMAGE for seed in range(times))


def test_rand_does_half_of_n_operations_equally_often_at_a_level_about_m(done: list) -> None:
    draw(config_str="rand-m6-n3-mstd0.5-inc1")
    counts = Counter(operation.name for operation, _ in done)
    assert set(counts) == RAND
    assert abs(len(done) / 2000 - 1.5) < 0.06
    assert max(abs(count / len(done) - 1 / 15) for count in counts.values()) < 0.02
    levels = [level for _, level in done]
    assert abs(np.mean(levels) - 0.6) < 0.005 and abs(np.std(levels) - 0.05) < 0.005


@pytest.mark.parametrize(
    ("text", "posterize", "solarize", "color"),
    [("rand-m9-inc1", (4, -4), (256, -256), (1, 0.9)), ("rand-m9-inc0", (0, 4), (0, 256), (0.1, 1.8))],
)
def test_inc_chooses_operations_that_change_more_at_a_higher_level(
    done: list, text: str, posterize: tuple, solarize: tuple, color: tuple
) -> None:
    draw(400, config_str=text)
    scales = {operation.name: (operation.start, operation.slope) for operation, _ in done}
    assert (scales["Posterize"], scales["Solarize"], scales["Color"]) == (posterize, solarize, color)
    assert scales["TranslateX"] == (0, 0.45)
    assert {level for _, level in done} == {0.9}


def test_levels_stay_between_0_and_10_of_10(done: list) -> None:
    draw(400, config_str="rand-m9-mstd5")
    levels = [level for _, level in done]
    assert min(levels) >= 0 and max(levels) == 1


def test_weights_favour_moves_and_do_nothing_twice(done: list) -> None:
    augment = TimmAutoAugment(config_str="rand-w0-n4")
    seen = []
    for seed in range(500):
        augment(IMAGE, np.random.default_rng(seed))
        names = [operation.name for operation, _ in done]
        assert len(set(names)) == len(names)
        seen += names
        done.clear()
    counts = Counter(seen)
    assert counts["Rotate"] > counts["ShearX"] > counts["Sharpness"] > counts["Solarize"] > 0
    assert not counts["Invert"] and not counts["Posterize"]


def test_augmix_has_w_chains_of_d_operations_and_mixes_them_with_the_image(done: list) -> None:
    draw(1, config_str="augmix-m5-w4-d2")
    assert len(done) == 8
    draw(300, config_str="augmix-m5")
    assert {operation.name for operation, _ in done} == RAND - {"Invert", "SolarizeAdd"}
    assert {operation.slope for operation, _ in done if operation.name == "TranslateX"} == {0.3}
    assert {level for _, level in done} == {0.5}


@pytest.mark.parametrize(
    ("text", "posterize"), [("original", (4, 4)), ("originalr", (4, -4)), ("v0", (0, 4)), ("v0r", (4, -4))]
)
def test_the_policies_of_autoaugment_differ_in_posterize(done: list, text: str, posterize: tuple) -> None:
    draw(600, config_str=f"{text}-mstd0.5")
    assert {(operation.start, operation.slope) for operation, _ in done if operation.name == "Posterize"} == {posterize}
    assert ("SolarizeAdd" in {operation.name for operation, _ in done}) == text.startswith("v0")


def test_prob_is_the_share_of_images() -> None:
    assert draw(500, config_str="rand-n20", prob=0.0) == 0
    assert abs(draw(500, config_str="rand-n20", prob=0.4) / 500 - 0.4) < 0.06


def test_the_filter_and_the_colour_of_what_comes_into_view_are_used() -> None:
    arguments = {"config_str": "rand-n4-m10", "mean": [1.0, 0.0, 0.0]}
    images = {
        name: [
            TimmAutoAugment(interpolation=name, **arguments)(IMAGE, np.random.default_rng(seed)) for seed in range(40)
        ]
        for name in ("bilinear", "bicubic")
    }
    assert sum(not np.array_equal(*pair) for pair in zip(*images.values())) > 20
    black = np.zeros((32, 32, 3), np.uint8)
    moved = [TimmAutoAugment(config_str="rand-m10-w0")(black, np.random.default_rng(seed)) for seed in range(60)]
    assert sum((image == (124, 116, 104)).all(axis=-1).any() for image in moved) > 20


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("auto-m9", "no such policy; received 'auto-m9'; start with one of rand, augmix, original"),
        ("rand-m9-x3", "'rand' has no section 'x3'; received 'rand-m9-x3'; known: m, n, w, mstd, inc"),
        ("v0-m3", "'v0' has no section 'm3'"),
        ("rand-mstd", "'rand' has no section 'mstd'"),
        ("rand-n0", "n must be positive"),
        ("rand-w1", "w only 0"),
        ("rand-w0-n14", "with n at most 13"),
        ("augmix-w0", "w, d and a must be positive"),
    ],
)
def test_other_texts_are_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"config_str: .*{message}"):
        TimmAutoAugment(config_str=text)
