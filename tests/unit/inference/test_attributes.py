"""Attributes in words, as PaddleClas's deploy/python/postprocess.py says them."""

import numpy as np
import pytest

from ppcls.inference.attributes import PersonAttribute, TableAttribute, VehicleAttribute


def test_a_person_is_described_by_groups_and_thresholds() -> None:
    scores = np.zeros((2, 26))
    scores[0, [1, 3, 5, 11, 17, 20, 22, 24]] = 0.4, 0.9, 0.8, 0.7, 0.9, 0.6, 0.9, 0.9
    scores[1, [0, 2, 13, 15, 19, 18, 14, 25]] = 0.6, 0.4, 0.4, 0.3, 0.1, 0.55, 0.8, 0.2
    first, second = PersonAttribute(26)(scores)
    assert first.attributes == [
        "Female",
        "Age18-60",
        "Side",
        "Glasses: True",
        "Hat: False",
        "HoldObjectsInFront: False",
        "Backpack",
        "Upper: LongSleeve UpperLogo",
        "Lower: Trousers",
        "No boots",
    ]
    assert first.class_ids == [1, 3, 5, 11, 17, 20, 22, 24]
    assert first.label_names[0] == "Glasses"
    assert first.line("a.jpg").startswith("a.jpg:\tattributes: ['Female', 'Age18-60', ")
    assert first.to_dict()["attributes"] == first.attributes
    assert second.attributes == [
        "Male",
        "AgeLess18",
        "Back",
        "Glasses: False",
        "Hat: True",
        "HoldObjectsInFront: False",
        "No bag",
        "Upper: ShortSleeve",
        "Lower: Skirt&Dress",
        "Boots",
    ]


def test_a_vehicle_has_the_best_colour_and_type_that_reach_their_thresholds() -> None:
    scores = np.zeros((1, 19))
    scores[0, [4, 5, 17]] = 0.7, 0.6, 0.4
    assert VehicleAttribute(19)(scores)[0].attributes == ["Color: red", "Type: unknown"]
    assert VehicleAttribute(19, type_threshold=0.4)(scores)[0].attributes == ["Color: red", "Type: truck"]


def test_a_table_has_one_of_two_properties_each() -> None:
    (table,) = TableAttribute(6, angle_threshold=0.9)(np.full((1, 6), 0.8))
    assert table.attributes == ["Scanned", "Little", "Black-and-White", "Clear", "Without-Obstacles", "Tilted"]
    assert table.class_ids == [0, 1, 2, 3, 4]


def test_a_model_of_another_number_of_classes_is_refused() -> None:
    with pytest.raises(ValueError, match="PersonAttribute: is for 26 attributes; received a model of 3 classes"):
        PersonAttribute(3)


def test_thresholds_of_each_attribute_stand_for_all_others() -> None:
    scores = np.full((1, 6), 0.4)
    (found,) = TableAttribute(6, number_threshold=0.9, thresholds=[0.5, 0.3, 0.5, 0.5, 0.3, 0.5])(scores)
    assert found.class_ids == [1, 4]
    assert found.attributes == ["Photo", "Little", "Multicolor", "Blurry", "Without-Obstacles", "Tilted"]
    with pytest.raises(ValueError, match="thresholds: the model has 26 classes; received 1 thresholds"):
        PersonAttribute(26, thresholds=[0.5])
