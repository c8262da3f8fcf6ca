from typing import Any, Optional

import numpy as np
import paddle
import pytest
from paddle import nn

from ppcls.optim.optimizers import AdamW
from ppcls.optim.regularizers import L1, L2
from ppcls.registry import OPTIMIZERS

NAMES = OPTIMIZERS.names()
GRADIENT_DECAY = [name for name in NAMES if name != "AdamW"]


def make_model(learning_rate: float = 1.0) -> nn.Layer:
    """A convolution, a norm and a classifier; `learning_rate` multiplies that of the classifier."""
    paddle.seed(0)
    attr = paddle.ParamAttr(learning_rate=learning_rate)
    return nn.Sequential(
        ("conv", nn.Conv2D(3, 4, 3)),
        ("bn", nn.GroupNorm(2, 4)),
        ("flat", nn.Flatten()),
        ("fc", nn.Linear(16, 3, weight_attr=attr)),
    )


def build(
    name: str,
    model: nn.Layer,
    regularizer: Any = None,
    clip_norm: Optional[float] = None,
    **arguments: Any,
) -> Any:
    return OPTIMIZERS.load(name)(model, 0.1, regularizer, clip_norm, **arguments)


def values(model: nn.Layer) -> dict[str, np.ndarray]:
    return {name: parameter.numpy().copy() for name, parameter in model.named_parameters()}


def step_on_zero_gradients(optimizer: Any, model: nn.Layer) -> set[str]:
    """Make one update in which nothing but decay moves; return the names of the parameters that moved."""
    for parameter in model.parameters():
        parameter.set_value(paddle.ones_like(parameter))
    before = values(model)
    (0.0 * sum(parameter.sum() for parameter in model.parameters())).backward()
    optimizer.step()
    after = values(model)
    return {name for name in before if not np.array_equal(before[name], after[name])}


ALL = {"conv.weight", "conv.bias", "bn.weight", "bn.bias", "fc.weight", "fc.bias"}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("arguments", "decayed"),
    [
        ({}, ALL),
        ({"no_weight_decay_name": "bn fc.b"}, ALL - {"bn.weight", "bn.bias", "fc.bias"}),
        ({"one_dim_param_no_weight_decay": True}, {"conv.weight", "fc.weight"}),
        ({"one_dim_param_no_weight_decay": True, "no_weight_decay_name": "fc"}, {"conv.weight"}),
    ],
)
def test_decay_moves_exactly_the_parameters_that_it_should(
    name: str, arguments: dict[str, Any], decayed: set[str]
) -> None:
    model = make_model()
    optimizer = build(name, model, weight_decay=0.5, **arguments)
    assert step_on_zero_gradients(optimizer, model) == decayed


@pytest.mark.parametrize("name", GRADIENT_DECAY)
@pytest.mark.parametrize("regularizer", [L1, L2])
def test_exclusions_hold_for_a_regularizer_too(name: str, regularizer: Any) -> None:
    model = make_model()
    optimizer = build(name, model, regularizer(coeff=0.5), one_dim_param_no_weight_decay=True)
    assert step_on_zero_gradients(optimizer, model) == {"conv.weight", "fc.weight"}


@pytest.mark.parametrize("name", GRADIENT_DECAY)
def test_weight_decay_is_short_for_l2(name: str) -> None:
    results = []
    for regularizer, arguments in [(L2(coeff=0.5), {}), (None, {"weight_decay": 0.5})]:
        model = make_model()
        train(model, build(name, model, regularizer, **arguments), num_steps=2)
        results.append(values(model))
    assert all(np.array_equal(results[0][key], results[1][key]) for key in ALL)


@pytest.mark.parametrize("name", NAMES)
def test_without_decay_nothing_decays(name: str) -> None:
    model = make_model()
    optimizer = build(name, model, **({"weight_decay": 0.0} if name == "AdamW" else {}))
    assert step_on_zero_gradients(optimizer, model) == set()


@pytest.mark.parametrize("name", GRADIENT_DECAY)
def test_decay_stated_twice_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="weight_decay: stated twice"):
        build(name, make_model(), L2(coeff=0.1), weight_decay=0.1)


def test_adamw_refuses_a_regularizer() -> None:
    with pytest.raises(ValueError, match="regularizer: AdamW decays weights"):
        AdamW(make_model(), 0.1, L2(coeff=0.1), None)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("SGD", {"weight_decay": -1.0}, "weight_decay: out of range"),
        ("Momentum", {"momentum": 1.0}, "momentum: out of range; received 1.0; give a number >= 0 and < 1"),
        ("RMSProp", {"rho": 1.0}, "rho: out of range"),
        ("Adam", {"beta1": 1.0}, "beta1: out of range"),
        ("AdamW", {"beta2": -0.1}, "beta2: out of range"),
        ("SGD", {"clip_norm": 0.0}, "clip_norm: not positive"),
    ],
)
def test_a_bad_argument_is_named(name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        build(name, make_model(), **arguments)
    assert message in str(caught.value)


def test_a_regularizer_refuses_a_negative_coefficient() -> None:
    with pytest.raises(ValueError, match="coeff: out of range"):
        L2(coeff=-1e-4)


def test_clip_norm_bounds_the_norm_of_all_gradients_together() -> None:
    model = make_model()
    optimizer = build("SGD", model, clip_norm=0.5)
    before = values(model)
    sum((3.0 * parameter).sum() for parameter in model.parameters()).backward()
    optimizer.step()
    moves = {name: before[name] - value for name, value in values(model).items()}
    norm = np.sqrt(sum((move**2).sum() for move in moves.values()))
    assert norm == pytest.approx(0.1 * 0.5, rel=1e-5)
    sizes = np.concatenate([move.ravel() for move in moves.values()])
    np.testing.assert_allclose(sizes, sizes.mean(), rtol=1e-4)  # one factor for all


@pytest.mark.parametrize("name", NAMES)
def test_the_rate_that_is_set_takes_effect_times_each_parameters_multiplier(name: str) -> None:
    model = make_model(learning_rate=0.5)
    arguments: dict[str, Any] = {"weight_decay": 0.0} if name == "AdamW" else {}
    optimizer = build(name, model, **arguments)
    rates = []
    for rate in (0.1, 0.001):
        optimizer.set_lr(rate)
        before = values(model)
        sum(parameter.sum() for parameter in model.parameters()).backward()
        optimizer.step()
        optimizer.clear_grad()
        after = values(model)
        rates.append([np.abs(after[key] - before[key]).mean() for key in ("conv.weight", "fc.weight")])
    for conv, fc in rates:
        assert fc == pytest.approx(conv / 2, rel=1e-3)
    assert rates[1][0] < rates[0][0] / 10


def train(model: nn.Layer, optimizer: Any, *, num_steps: int, seed: int = 0) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(num_steps):
        images = paddle.to_tensor(rng.standard_normal((5, 3, 4, 4)).astype("float32"))
        nn.functional.cross_entropy(model(images), paddle.to_tensor([0, 1, 2, 0, 1])).backward()
        optimizer.step()
        optimizer.clear_grad()
