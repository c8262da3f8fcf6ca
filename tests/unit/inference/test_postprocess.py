from pathlib import Path
from typing import Optional

import numpy as np
import pytest

from ppcls.errors import DataError
from ppcls.inference.postprocess import (
    MultiLabelThreshOutput,
    Prediction,
    ScoreOutput,
    ThreshOutput,
    Topk,
    read_label_map,
)

SCORES = np.array([[0.1, 0.6, 0.3], [0.4, 0.4, 0.2]], "float32")


def test_the_best_classes_come_first_and_of_equals_the_lower_number() -> None:
    first, second = Topk(["a", "b", "c"], 3, topk=2)(SCORES)
    assert first == Prediction([1, 2], [pytest.approx(0.6), pytest.approx(0.3)], ["b", "c"])
    assert second.class_ids == [0, 1]


def test_no_more_classes_are_answered_than_there_are() -> None:
    (prediction, _) = Topk([], None, topk=5)(SCORES)
    assert prediction.class_ids == [1, 2, 0]
    assert prediction.label_names == []


def test_of_many_classes_those_of_a_full_sort_are_answered() -> None:
    random = np.random.default_rng(0)
    scores = random.random((50, 300)).round(2).astype("float32")  # many are equal
    scores[::5, 7] = np.nan
    scores[::7] = 0.5
    answered = [prediction.class_ids for prediction in Topk([], None, topk=10)(scores)]
    assert answered == np.argsort(-scores, axis=1, kind="stable")[:, :10].tolist()


def test_the_line_of_the_documents() -> None:
    prediction = Prediction([80, 23], [0.7412, 0.0901], ["black grouse", "vulture"])
    assert prediction.line("a.jpeg") == (
        "a.jpeg:\tclass id(s): [80, 23], score(s): [0.74, 0.09], label_name(s): ['black grouse', 'vulture']"
    )
    assert prediction.to_dict()["class_ids"] == [80, 23]


def test_names_from_a_file_replace_those_of_the_weights(tmp_path: Path) -> None:
    (tmp_path / "map.txt").write_text("0 tench, Tinca tinca\n2 shark\n\n1 ray\n")
    topk = Topk(["x", "y", "z"], 3, topk=1, class_id_map_file=str(tmp_path / "map.txt"))
    assert topk.label_names == ["tench, Tinca tinca", "ray", "shark"]
    (tmp_path / "tabs.txt").write_text("0\ta b\n1\tc\n")
    assert read_label_map(str(tmp_path / "tabs.txt"), "\t") == ["a b", "c"]


def test_a_map_that_comes_with_the_package_is_found_by_its_name() -> None:
    assert read_label_map("../ppcls/utils/imagenet1k_label_list.txt")[80] == "black grouse"


def test_a_map_of_another_size_is_refused() -> None:
    message = r"class_id_map_file: the model has 3 classes; received 1000 names \(x/imagenet1k_label_list.txt\); give"
    with pytest.raises(ValueError, match=message):
        Topk((), 3, class_id_map_file="x/imagenet1k_label_list.txt")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 a\nb c\n", ":2: no class id; received 'b c'"),
        ("0 a\n0 b\n", ":2: a class id that was given before; received '0 b'"),
        ("0 a\n2 b\n", "ids must be 0 to 1 without a gap"),
    ],
)
def test_a_map_that_is_no_map_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "map.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        read_label_map(str(tmp_path / "map.txt"))


def test_a_map_that_is_not_there_leaves_the_names_of_the_weights_or_numbers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    missing = str(tmp_path / "map.txt")
    assert Topk(["a", "b"], 2, class_id_map_file=missing).label_names == ["a", "b"]
    assert MultiLabelThreshOutput([], 2, class_id_map_file=missing).label_names == []
    assert [record.getMessage() for record in caplog.records] == [
        f"class_id_map_file: '{missing}' is not there; the answers have {instead}"
        for instead in ("the names that came with the model", "class numbers")
    ]


@pytest.mark.parametrize(
    ("name", "size"),
    [("COCO2017", 80), ("NUS-WIDE-SCENE", 33), ("PULC_label_list/traffic_sign", 232), ("pedestrian_attribute", 26)],
)
def test_the_maps_that_paddleclas_names_come_with_the_package(name: str, size: int) -> None:
    assert len(read_label_map(f"ppcls/utils/{name}_label_list.txt")) == size


def test_scores_can_be_the_answer_themselves() -> None:
    (first, _) = ScoreOutput([], decimal_places=1)(np.array([[5.4321], [1.0]]))
    assert first == Prediction([0], [5.4], [])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"class_id_map_file: can't be read; received '.*map.txt' \(No such file or directory\); check the path"),
        (b"\xff\xfe\x00", r"map.txt: is not UTF-8 text \(.*\); convert it"),
    ],
)
def test_a_map_that_cannot_be_read_is_refused(tmp_path: Path, content: Optional[bytes], message: str) -> None:
    if content:
        (tmp_path / "map.txt").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_label_map(str(tmp_path / "map.txt"))


def test_no_classes_cannot_be_asked_for() -> None:
    with pytest.raises(ValueError, match="topk: must be at least 1; received 0"):
        Topk([], None, topk=0)


def test_a_threshold_chooses_one_of_two_classes() -> None:
    thresh = ThreshOutput(["no", "yes"], 2, threshold=0.4, label_0="cat", label_1="dog")
    first, second = thresh(np.array([[0.61, 0.39], [0.6, 0.4]], "float64"))
    assert first == Prediction([0], [pytest.approx(0.61)], ["cat"])
    assert second == Prediction([1], [pytest.approx(0.4)], ["dog"])


def test_a_threshold_of_several_classes_leaves_what_is_below_to_the_default_class() -> None:
    thresh = ThreshOutput(["a", "b", "c"], 3, threshold=0.5, default_label_index=2)
    first, second = thresh(SCORES)
    assert first == Prediction([1], [pytest.approx(0.6)], ["b"])
    assert second == Prediction([2], [pytest.approx(0.2)], ["c"])
    assert ThreshOutput([], 3, threshold=0.6)(SCORES.astype("float64").round(1))[0].class_ids == [0]  # not above
    with pytest.raises(ValueError, match="default_label_index: there is no such class; received 3"):
        ThreshOutput([], 3, threshold=0.5, default_label_index=3)


def test_a_threshold_chooses_any_number_of_classes() -> None:
    several, none = MultiLabelThreshOutput(["a", "b", "c"], 3, threshold=0.5)(
        np.array([[0.9, 0.2, 0.5], [0.1, 0.2, 0.3]], "float64")
    )
    assert several == Prediction([0, 2], [0.9, 0.5], ["a", "c"])
    assert none == Prediction([], [], [])
    (own,) = MultiLabelThreshOutput([], 3, threshold=[0.95, 0.1, 0.5])(np.array([[0.9, 0.2, 0.5]]))
    assert own.class_ids == [1, 2]
    with pytest.raises(ValueError, match="threshold: the model has 3 classes; received 2 thresholds"):
        MultiLabelThreshOutput([], 3, threshold=[0.5, 0.5])
    assert none.line("x.jpg") == "x.jpg:\tclass id(s): [], score(s): [], label_name(s): []"
