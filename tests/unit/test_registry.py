from pathlib import Path

import pytest

from ppcls import inference
from ppcls.config.reference import registries
from ppcls.errors import ConfigError
from ppcls.registry import Facts, Part, Registry

ALL = registries()


@pytest.mark.parametrize("table", ALL, ids=lambda table: table.kind)
def test_every_name_is_there(table: Registry) -> None:
    for name in table.module_of:
        assert name in table
        assert callable(table.load(name))


def test_an_unknown_name_is_refused_with_the_nearest_one_or_all() -> None:
    table = Registry("loss", {"ppcls.losses.cross_entropy": "CELoss MixCELoss"})
    with pytest.raises(ConfigError, match="^unknown loss 'CELos'; did you mean 'CELoss'\\?$"):
        table.load("CELos")
    with pytest.raises(ConfigError, match="^unknown loss 'zzz'; known: CELoss, MixCELoss$"):
        table.load("zzz")


def test_a_value_that_a_part_refuses_is_reported_with_its_place() -> None:
    part = Part("Topk", {"topk": 0}, "my.yaml:3: Infer.PostProcess")
    with pytest.raises(ConfigError, match="^my.yaml:3: Infer.PostProcess: Topk: topk: must be at least 1; received 0"):
        inference.POSTPROCESSES.build(part)


def test_a_name_is_found_in_any_case_where_that_is_unambiguous() -> None:
    table = Registry("loss", {"ppcls.losses.cross_entropy": "CELoss MixCELoss"})
    assert table.resolve("celoss") == "CELoss" and "celoss" in table
    assert table.load("MIXCELOSS") is table.load("MixCELoss")


def test_a_part_of_the_users_own_is_a_dotted_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_nets.py").write_text(
        "class Tiny:\n    def __init__(self, class_num=1000, *, width=8):\n        self.facts = class_num, width\n"
    )
    monkeypatch.chdir(tmp_path)
    table = Registry("architecture", {})
    assert "own_nets:Tiny" in table
    assert table.build(Part("own_nets:Tiny", {"width": 4}), Facts(class_num=10)).facts == (10, 4)
    with pytest.raises(ConfigError, match="architecture 'own_nets:Big': can't be imported"):
        table.load("own_nets:Big")
