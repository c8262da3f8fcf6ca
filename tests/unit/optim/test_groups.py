"""Parameter groups, and that an optimizer leaves no mark for the next one."""

from typing import Any

import numpy as np
import paddle
import pytest
from paddle import nn

from ppcls.config.groups import Group
from ppcls.optim import OPTIMIZERS
from ppcls.optim.groups import Target
from ppcls.registry import Facts, Part

NAMES = OPTIMIZERS.names()


def moved(name: str, model: nn.Layer, groups: tuple[Group, ...], **arguments: Any) -> dict[str, float]:
    """Return how far one update of equal gradients moves each parameter, all of which are 1 before it."""
    optimizer = OPTIMIZERS.build(Part(name, arguments), Facts(target=Target(model, 0.1, groups=groups)))
    for parameter in model.parameters():
        parameter.set_value(paddle.ones_like(parameter))
    sum(parameter.sum() for parameter in model.parameters()).backward()
    optimizer.step()
    optimizer.clear_grad()
    return {name: 1 - float(parameter.mean()) for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("name", NAMES)
def test_the_first_group_that_states_a_rate_gives_it(name: str) -> None:
    model = nn.Sequential(("stem", nn.Linear(2, 2)), ("head", nn.Linear(2, 2)))
    groups = (Group("head.*bias", lr_factor=0.5), Group("head", lr_factor=0.25), Group(".", weight_decay=0.0))
    paces = moved(name, model, groups)
    assert paces["head.weight"] == pytest.approx(0.25 * paces["stem.weight"], rel=1e-3)
    assert paces["head.bias"] == pytest.approx(0.5 * paces["stem.bias"], rel=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_a_frozen_group_stays(name: str) -> None:
    model = nn.Sequential(("stem", nn.Linear(2, 2)), ("head", nn.Linear(2, 2)))
    paces = moved(name, model, (Group("stem", frozen=True),))
    assert paces["stem.weight"] == paces["stem.bias"] == 0 != paces["head.weight"]


@pytest.mark.parametrize("name", ["SGD", "Momentum", "AdamW"])
def test_a_group_has_a_decay_of_its_own(name: str) -> None:
    groups = (Group("stem.weight", weight_decay=0.5), Group("stem.bias", weight_decay=0.0))
    usual = moved(name, nn.Sequential(("stem", nn.Linear(2, 2)), ("head", nn.Linear(2, 2))), (), weight_decay=0.1)
    with_groups = moved(
        name, nn.Sequential(("stem", nn.Linear(2, 2)), ("head", nn.Linear(2, 2))), groups, weight_decay=0.1
    )
    assert with_groups["head.weight"] == usual["head.weight"]
    assert with_groups["stem.weight"] > usual["stem.weight"]
    assert with_groups["stem.bias"] != usual["stem.bias"]


def test_the_groups_of_a_model_come_after_those_of_the_config() -> None:
    model = nn.Sequential(("stem", nn.Linear(2, 2)), ("head", nn.Linear(2, 2)))
    model.param_groups = (Group("stem", lr_factor=0.5), Group("head", lr_factor=0.5))
    paces = moved("SGD", model, (Group("head", lr_factor=0.25),))
    np.testing.assert_allclose(paces["stem.weight"], 0.05, rtol=1e-5)
    np.testing.assert_allclose(paces["head.weight"], 0.025, rtol=1e-5)


def test_exclusions_of_one_optimizer_are_none_of_the_next() -> None:
    model = nn.Sequential(("stem", nn.Linear(2, 2)), ("head", nn.Linear(2, 2)))
    plain = moved("SGD", model, (), weight_decay=0.1)
    excluded = moved("SGD", model, (), weight_decay=0.1, one_dim_param_no_weight_decay=True)
    assert excluded["stem.bias"] < plain["stem.bias"]
    assert moved("SGD", model, (), weight_decay=0.1) == plain


def test_a_pattern_that_is_no_expression_is_refused() -> None:
    with pytest.raises(ValueError, match="pattern: not a regular expression; received '\\['"):
        Group("[")
