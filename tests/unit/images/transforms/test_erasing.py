"""What is painted over: how often, how much, where and with what; before and after NormalizeImage."""

from typing import Any

import numpy as np
import pytest

from ppcls.images.pipeline import Pipeline
from ppcls.images.transforms.crops import RandomCropImage
from ppcls.images.transforms.erasing import Cutout, Erasing, GridMask, HideAndSeek, RandomErasing
from ppcls.images.transforms.layout import NormalizeImage, ToCHWImage

WHITE = np.full((112, 112, 3), 255, np.uint8)
KINDS = [Cutout(), HideAndSeek(), GridMask(d1=20, d2=40), RandomErasing()]


def masks(op: Erasing, times: int = 500) -> np.ndarray:
    """Return where it paints, [times, height, width]."""
    return np.array([(op(WHITE, np.random.default_rng(seed)) != 255).any(axis=-1) for seed in range(times)])


def box(mask: np.ndarray) -> tuple[int, int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    height, width = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    assert mask.sum() == height * width
    return height, width


@pytest.mark.parametrize("log_aspect", [False, True])
def test_random_erasing_paints_a_rectangle_within_its_bounds_at_any_place(log_aspect: bool) -> None:
    found = masks(RandomErasing(EPSILON=0.6, sl=0.1, sh=0.3, r1=0.5, use_log_aspect=log_aspect), 1500)
    painted = [mask for mask in found if mask.any()]
    assert abs(len(painted) / 1500 - 0.6) < 0.04
    boxes = np.array([box(mask) for mask in painted])
    areas, aspects = boxes.prod(axis=1) / 112**2, boxes[:, 0] / boxes[:, 1]
    assert 0.09 < areas.min() < 0.11 and 0.29 < areas.max() < 0.31 and abs(areas.mean() - 0.2) < 0.01
    assert 0.47 < aspects.min() < 0.55 and 1.85 < aspects.max() < 2.1
    assert abs(np.median(aspects) - (1 if log_aspect else 1.25)) < 0.1
    assert np.abs(found.mean(axis=(0, 1)) - found.mean(axis=(0, 1))[::-1]).max() < 0.05


def test_random_erasing_leaves_an_image_on_which_nothing_fits() -> None:
    assert not masks(RandomErasing(EPSILON=1.0, sl=0.9, sh=1.0, r1=0.1, attempt=3), 50)[:, 0, 0].any()


def test_cutout_paints_squares_that_may_reach_outside() -> None:
    sizes = masks(Cutout(length=56)).sum(axis=(1, 2))
    assert sizes.max() == 56**2 and 28**2 <= sizes.min() < 35**2
    assert abs(sizes.mean() / 56**2 - 0.875**2) < 0.03  # a side of half the image loses an eighth on average
    assert masks(Cutout(n_holes=4, length=20)).sum(axis=(1, 2)).max() > 3 * 400
    assert (Cutout(fill_value=[9, 8, 7])(WHITE, np.random.default_rng(0)) == (9, 8, 7)).all(axis=-1).any()


def test_a_cutout_without_a_colour_draws_one_for_each_square() -> None:
    painted = Cutout(n_holes=2, length=20, fill_value=None)(WHITE, np.random.default_rng(0))
    assert len(np.unique(painted.reshape(-1, 3), axis=0)) == 3  # two colours, and what was there


def test_hide_and_seek_hides_half_of_the_cells_or_nothing() -> None:
    found = masks(HideAndSeek(), 1500)
    hidden = found.mean(axis=(1, 2))
    assert 0.18 < (hidden == 0).mean() < 0.24
    assert abs(hidden[hidden > 0].mean() - 0.5) < 0.03
    borders = [np.flatnonzero(np.diff(mask.astype(int), axis=1).any(axis=0)) + 1 for mask in found]
    assert {16, 32, 44, 56} <= {int(columns[0]) for columns in borders if len(columns)}


@pytest.mark.parametrize(("mode", "expected"), [(0, 0.75), (1, 0.25)])
def test_gridmask_paints_bars_or_the_squares_between_them(mode: Any, expected: float) -> None:
    found = masks(GridMask(d1=20, d2=40, ratio=0.5, mode=mode), 300)
    assert abs(found.mean() - expected) < 0.02
    kept = ~found if mode == 0 else found
    rows, columns = kept.any(axis=2), kept.any(axis=1)
    np.testing.assert_array_equal(kept, rows[:, :, None] & columns[:, None, :])
    starts = [np.flatnonzero(np.diff(row.astype(int)) == 1) for row in rows]
    periods = {int(place) for start in starts if len(start) > 1 for place in np.diff(start)}
    assert periods == set(range(20, 40))


def test_gridmask_turns_and_is_drawn_for_its_share() -> None:
    found = masks(GridMask(d1=20, d2=40, rotate=90, prob=0.7), 400)
    assert abs(found.any(axis=(1, 2)).mean() - 0.7) < 0.07
    assert abs(found[found.any(axis=(1, 2))].mean() - 0.75) < 0.05
    kept = ~found[found.any(axis=(1, 2))]
    upright = kept.any(axis=2)[:, :, None] & kept.any(axis=1)[:, None, :]
    assert np.mean((kept == upright).all(axis=(1, 2))) < 0.1


@pytest.mark.parametrize("op", KINDS)
def test_what_comes_in_is_never_written_to(op: Erasing) -> None:
    image = WHITE.copy()
    image.flags.writeable = False
    for seed in range(5):
        assert op(image, np.random.default_rng(seed)).dtype == np.uint8


@pytest.mark.parametrize("op", KINDS)
@pytest.mark.parametrize(
    "layout", [[NormalizeImage()], [NormalizeImage(), ToCHWImage()], [ToCHWImage(), NormalizeImage()]]
)
def test_after_normalizeimage_it_paints_zero_the_mean_colour_at_the_same_places(op: Erasing, layout: list) -> None:
    images = np.stack([WHITE] * 6)
    finished = Pipeline([*layout, op]).finish(images, rngs=map(np.random.default_rng, range(6)))
    plain = Pipeline(layout).finish(images)
    expected = np.where(masks(op, 6)[:, None], 0, plain)
    np.testing.assert_array_equal(finished, expected)
    assert finished.flags["C_CONTIGUOUS"]


@pytest.mark.parametrize(("mode", "num_colors"), [("rand", 1), ("pixel", None)])
def test_normal_numbers_are_painted_after_normalizeimage(mode: Any, num_colors: Any) -> None:
    pipeline = Pipeline([NormalizeImage(), RandomErasing(EPSILON=1.0, mode=mode, sl=0.2)])
    finished = pipeline.finish(np.stack([WHITE] * 300), rngs=map(np.random.default_rng, range(300)))
    white = Pipeline([NormalizeImage()]).finish(WHITE[None])[0, :, 0, 0]
    painted = [image[:, (image != white[:, None, None]).all(axis=0)] for image in finished]
    colors = np.concatenate([pixels[:, :1] if num_colors else pixels for pixels in painted], axis=1)
    np.testing.assert_allclose(colors.mean(axis=1), 0, atol=0.2)
    np.testing.assert_allclose(colors.std(axis=1), 1, atol=0.15)
    num_different = [len(np.unique(pixels[0])) for pixels in painted]
    assert set(num_different) == {1} if num_colors else min(num_different) > 1000


def test_a_channel_of_zeros_stays_and_float16_is_painted_too() -> None:
    pipeline = Pipeline([NormalizeImage(channel_num=4, output_fp16=True), RandomErasing(EPSILON=1.0, mode="pixel")])
    finished = pipeline.finish(WHITE[None])
    assert finished.dtype == np.float16 and not finished[:, 3].any()
    assert len(np.unique(finished[:, 0])) > 50


def test_each_image_of_a_batch_is_painted_by_its_own_stream_only() -> None:
    pipeline = Pipeline([NormalizeImage(), RandomErasing(EPSILON=1.0, mode="pixel")])
    images = np.stack([WHITE] * 4)
    together = pipeline.finish(images, rngs=map(np.random.default_rng, range(4)))
    for place in range(4):
        alone = pipeline.finish(images[:1], rngs=[np.random.default_rng(place)])
        np.testing.assert_array_equal(together[place], alone[0])


@pytest.mark.parametrize(
    ("ops", "message"),
    [
        (
            [RandomErasing(mode="pixel"), NormalizeImage()],
            "this mode paints normalized numbers; .* behind NormalizeImage",
        ),
        ([RandomErasing(mode="rand")], "RandomErasing: this mode paints normalized numbers"),
        (
            [ToCHWImage(), Cutout(), NormalizeImage()],
            "received ToCHWImage, Cutout, NormalizeImage; move Cutout before it",
        ),
        ([NormalizeImage(), Cutout(), RandomCropImage(8)], "move RandomCropImage before it"),
    ],
)
def test_a_place_that_makes_no_sense_is_refused(ops: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Pipeline(ops)


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (Cutout, {"n_holes": 0}),
        (Cutout, {"length": 0}),
        (Cutout, {"fill_value": [0, 0]}),
        (GridMask, {"d1": 224}),
        (GridMask, {"rotate": 0}),
        (GridMask, {"ratio": 1.0}),
        (GridMask, {"prob": -0.1}),
        (RandomErasing, {"EPSILON": 1.1}),
        (RandomErasing, {"sl": 0.5}),
        (RandomErasing, {"r1": 0}),
        (RandomErasing, {"attempt": 0}),
        (RandomErasing, {"mean": [0]}),
    ],
)
def test_arguments_without_sense_are_refused(kind: type, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(arguments))}: "):
        kind(**arguments)
