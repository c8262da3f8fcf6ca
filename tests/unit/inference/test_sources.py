"""A predictor takes images in any form; one that can't be used is that one's problem."""

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest

from ppcls.errors import DataError
from ppcls.inference.postprocess import Prediction
from ppcls.inference.predictor import Predictor


def test_what_is_no_image_at_all_is_refused_by_its_type(exported: Path) -> None:
    for source in (5, None):
        with pytest.raises(TypeError, match=f"an image is a path, .*; received {type(source).__name__}"):
            Predictor(exported).predict(source)


def same(one: Prediction, other: Prediction) -> bool:
    return one.class_ids == other.class_ids and np.allclose(one.scores, other.scores, atol=1e-5)


def test_every_kind_of_source_gives_the_same_predictions(exported: Path, photos: list[bytes], tmp_path: Path) -> None:
    predictor = Predictor(exported)
    files = [tmp_path / f"{number:02}.png" for number in range(5)]
    arrays = [cv2.imdecode(np.frombuffer(photo, np.uint8), cv2.IMREAD_COLOR) for photo in photos[:5]]
    for file, array in zip(files, arrays):
        cv2.imwrite(str(file), array)
    (tmp_path / "list.txt").write_text("".join(f"{file.name} 0\n" for file in files))
    expected = [predictor.predict(photo)[0] for photo in photos[:5]]
    assert len(expected[0].class_ids) == 5 and expected[0].label_names[0].startswith("digit ")
    for source in (
        photos[:5],
        iter(photos[:5]),
        str(tmp_path),
        tmp_path,
        tmp_path / "list.txt",
        files,
        [np.ascontiguousarray(array[..., ::-1]) for array in arrays],
        (file for file in [files[0], str(files[1]), photos[2], files[3], photos[4]]),
    ):
        assert all(map(same, predictor.predict(source, batch_size=2), expected))
    assert same(predictor.predict(files[0])[0], expected[0])
    assert json.dumps(expected[0].to_dict())


def test_a_generator_is_read_as_far_as_it_is_needed(exported: Path, photos: list[bytes]) -> None:
    given = 0

    def endless() -> Iterator[bytes]:
        nonlocal given
        while True:
            given += 1
            yield photos[given % len(photos)]

    outcomes = Predictor(exported).stream(endless(), batch_size=4)
    for _ in range(8):
        assert next(outcomes).prediction
    assert given <= 4 * 5


def test_an_image_that_cannot_be_read_is_named_and_the_stream_goes_on(
    exported: Path, photos: list[bytes], tmp_path: Path
) -> None:
    predictor = Predictor(exported)
    (tmp_path / "none").mkdir()
    with open(__file__) as text, open(__file__, "rb") as closed:
        closed.close()
        bad = [
            (b"bad", "no image: 3 bytes"),
            (tmp_path / "gone.jpg", "can't be read; No such file"),
            (tmp_path / "none", "no image in this folder"),
            (tmp_path / "none.txt", "'.*none.txt' does not exist"),
            ("a\0b.jpg", "can't be used; ValueError: embedded null byte"),
            (5, "not an image: an object of type int; give a path"),
            (None, "not an image: an object of type NoneType"),
            (text, "not an image: a file opened as text"),
            (closed, "can't be used; ValueError: read of closed file"),
            (PIL.Image.new("F", (9, 9)), "unsupported: float numbers"),
            (np.zeros((4, 4, 3)), r"not a decoded image; received an array of float64 \(4, 4, 3\); give"),
            (np.zeros((4, 4, 2), "uint8"), "not a decoded image"),
            (np.array(None), "not a decoded image"),
            (np.zeros((0, 4, 3), "uint8"), "an array without pixels"),
            (np.zeros((1, 30000, 3), "uint8"), "too narrow: 30000 x 1 pixels"),
        ]
        sources = [photos[0], *(source for source, _ in bad), photos[1]]
        outcomes = list(predictor.stream(sources, batch_size=2))
    first, *others, last = outcomes
    assert len(others) == len(bad)
    for outcome, (source, problem) in zip(others, bad):
        assert outcome.prediction is None and outcome.source is source
        assert re.search(problem, outcome.problem), (problem, outcome.problem)
    assert first.prediction and same(first.prediction, predictor.predict(photos[0])[0])
    assert last.prediction and same(last.prediction, predictor.predict(photos[1])[0])
    with pytest.raises(DataError, match="^an image in memory: no image: 3 bytes"):
        predictor.predict(sources)


def test_an_image_named_twice_is_predicted_twice(exported: Path, photos: list[bytes], tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(photos[0])
    predictor = Predictor(exported)
    found = predictor.predict([tmp_path / "a.jpg", photos[1], tmp_path / "a.jpg"])
    assert len(found) == 3 and same(found[0], found[2]) and not same(found[0], found[1])


def test_all_forms_of_an_image_in_memory_give_what_its_file_gives(exported: Path, photos: list[bytes]) -> None:
    predictor = Predictor(exported)
    opened = PIL.Image.open(io.BytesIO(photos[0]))
    rgb, grey = np.asarray(opened), np.asarray(opened.convert("L"))
    forms = [bytearray(photos[0]), memoryview(photos[0]), io.BytesIO(photos[0]), opened, rgb, np.dstack([rgb, grey])]
    for expected, sources in (
        (predictor.predict(photos[0])[0], forms),
        (predictor.predict(np.dstack([grey] * 3))[0], [grey, grey[..., None], PIL.Image.fromarray(grey)]),
    ):
        for source in sources:
            assert same(predictor.predict(source)[0], expected)
        assert all(same(one, expected) for one in predictor.predict(iter(sources[:2])))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_of_pillow_stands_as_upright_as_its_file(
    exported: Path, photos: list[bytes], orientation: int
) -> None:
    exif, file = PIL.Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    PIL.Image.open(io.BytesIO(photos[0])).save(file, "PNG", exif=exif)
    predictor = Predictor(exported)
    opened = PIL.Image.open(io.BytesIO(file.getvalue()))
    np.testing.assert_array_equal(predictor.pipeline.decode(opened), predictor.pipeline.decode(file.getvalue()))
