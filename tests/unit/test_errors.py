import pytest

from ppcls import errors
from ppcls.errors import PpclsError, UserError, did_you_mean


@pytest.mark.parametrize(
    ("word", "near"),
    [("num_clases", "class_num"), ("ResNet_50", "ResNet50"), ("resnet50", "ResNet50"), ("momentun", "Momentum")],
)
def test_the_nearest_name_is_suggested(word: str, near: str) -> None:
    assert did_you_mean(word, ["class_num", "ResNet50", "Momentum"]) == f"; did you mean '{near}'?"


def test_nothing_is_suggested_for_a_word_like_no_other() -> None:
    assert did_you_mean("zzz", ["class_num", "ResNet50"]) == ""


def test_mistakes_of_the_user_exit_with_2_and_nothing_else_does() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, PpclsError)]
    assert len(kinds) >= 7
    assert {kind.exit_status for kind in kinds if issubclass(kind, UserError)} == {2}
    assert not {kind.exit_status for kind in kinds if not issubclass(kind, UserError)} & {0, 2}
