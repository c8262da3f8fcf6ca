import pytest

from ppcls import inference
from ppcls.config.reference import registries
from ppcls.errors import ConfigError
from ppcls.registry import Part, Registry

ALL = registries()


@pytest.mark.parametrize("table", ALL, ids=lambda table: table.kind)
def test_every_name_is_there(table: Registry) -> None:
    for name in table.names():
        assert name in table
        assert callable(table.load(name))


def test_an_unknown_name_is_refused_with_the_nearest_one_or_all() -> None:
    table = Registry("loss", {"ppcls.losses.cross_entropy": "CELoss MixCELoss"})
    with pytest.raises(ConfigError, match="^unknown loss 'CEloss'; did you mean 'CELoss'\\?$"):
        table.load("CEloss")
    with pytest.raises(ConfigError, match="^unknown loss 'zzz'; known: CELoss, MixCELoss$"):
        table.load("zzz")


def test_a_value_that_a_part_refuses_is_reported_with_its_place() -> None:
    part = Part("Topk", {"topk": 0}, "my.yaml:3: Infer.PostProcess")
    with pytest.raises(ConfigError, match="^my.yaml:3: Infer.PostProcess: Topk: topk: must be at least 1; received 0"):
        inference.POSTPROCESSES.build(part)
