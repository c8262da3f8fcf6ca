from typing import Any

import numpy as np
import paddle
import pytest
from paddle import nn
from paddle.incubate.optimizer import LarsMomentumOptimizer

from ppcls.errors import ConfigError
from ppcls.optim import OPTIMIZERS
from ppcls.optim.gradients import Gradients
from ppcls.optim.groups import Target
from ppcls.optim.regularizers import L1, L2
from ppcls.registry import Facts, Part

NAMES = OPTIMIZERS.names()
OWN_DECAY = ["AdamW", "AdamWDL", "LarsMomentum", "Lamb"]
GRADIENT_DECAY = [name for name in NAMES if name not in OWN_DECAY]


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
    **arguments: Any,
) -> Any:
    target = Target(model, 0.1, regularizer)
    if name == "AdamWDL":  # whose default is none for biases and norms
        arguments = {"filter_bias_and_bn": False, **arguments}
    return OPTIMIZERS.build(Part(name, arguments), Facts(target=target))


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


@pytest.mark.parametrize("name", [name for name in NAMES if name != "Lamb"])
def test_without_decay_nothing_decays(name: str) -> None:
    model = make_model()
    optimizer = build(name, model, **({"weight_decay": 0.0} if name in OWN_DECAY else {}))
    assert step_on_zero_gradients(optimizer, model) == set()


@pytest.mark.parametrize("name", GRADIENT_DECAY)
def test_decay_stated_twice_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="weight_decay: stated twice"):
        build(name, make_model(), L2(coeff=0.1), weight_decay=0.1)


@pytest.mark.parametrize("name", OWN_DECAY)
def test_an_optimizer_with_its_own_decay_refuses_a_regularizer(name: str) -> None:
    with pytest.raises(ConfigError, match=f"regularizer: {name} has a decay of its own; received L2"):
        build(name, make_model(), L2(coeff=0.1))


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("SGD", {"weight_decay": -1.0}, "weight_decay: out of range"),
        ("Momentum", {"momentum": 1.0}, "momentum: out of range; received 1.0; give a number >= 0 and < 1"),
        ("RMSProp", {"rho": 1.0}, "rho: out of range"),
        ("Adam", {"beta1": 1.0}, "beta1: out of range"),
        ("AdamW", {"beta2": -0.1}, "beta2: out of range"),
        ("LarsMomentum", {"lars_coeff": -0.1}, "lars_coeff: out of range"),
        ("Lamb", {"weight_decay": 0.0}, "weight_decay: Lamb without decay is Adam; received 0.0; use Adam"),
    ],
)
def test_a_bad_argument_is_named(name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build(name, make_model(), **arguments)
    assert message in str(caught.value)


def test_a_regularizer_refuses_a_negative_coefficient() -> None:
    with pytest.raises(ValueError, match="coeff: out of range"):
        L2(coeff=-1e-4)


def moves_of_equal_gradients(**clipping: float) -> dict[str, np.ndarray]:
    """Make one update in which each number's gradient is 3, clipped; return how far each parameter moved."""
    model = make_model()
    optimizer, gradients = build("SGD", model), Gradients(model.parameters(), **clipping)
    before = values(model)
    sum((3.0 * parameter).sum() for parameter in model.parameters()).backward()
    norm = gradients.norm()
    assert float(norm) == pytest.approx(3 * np.sqrt(sum(value.size for value in before.values())), rel=1e-6)
    gradients.clip(norm)
    optimizer.step()
    return {name: before[name] - value for name, value in values(model).items()}


def test_clip_norm_bounds_the_norm_of_each_gradient_by_itself_as_in_paddleclas() -> None:
    for name, move in moves_of_equal_gradients(clip_norm=4.0).items():
        assert np.linalg.norm(move) == pytest.approx(0.1 * min(4.0, 3 * np.sqrt(move.size)), rel=1e-4), name


def test_clip_global_norm_bounds_the_norm_of_all_gradients_together() -> None:
    moves = moves_of_equal_gradients(clip_global_norm=0.5)
    assert np.sqrt(sum((move**2).sum() for move in moves.values())) == pytest.approx(0.1 * 0.5, rel=1e-5)
    sizes = np.concatenate([move.ravel() for move in moves.values()])
    np.testing.assert_allclose(sizes, sizes.mean(), rtol=1e-4)  # one factor for all


@pytest.mark.parametrize(
    ("clipping", "message"),
    [
        ({"clip_norm": 0.0}, "clip_norm: not positive; received 0.0; omit it for no clipping"),
        ({"clip_global_norm": 0.0}, "clip_global_norm: not positive"),
        ({"clip_norm": 1.0, "clip_global_norm": 2.0}, "received 1.0 beside a clip_global_norm of 2.0; keep one"),
    ],
)
def test_clipping_that_means_nothing_is_refused(clipping: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Gradients(make_model().parameters(), **clipping)


@pytest.mark.parametrize("name", NAMES)
def test_the_rate_that_is_set_takes_effect_times_each_parameters_multiplier(name: str) -> None:
    model = make_model(learning_rate=0.5)
    # With none of them decayed no layer has a rate of its own.
    arguments: dict[str, Any] = {"no_weight_decay_name": "."} if name in OWN_DECAY else {}
    if name == "LarsMomentum":  # whose velocity keeps the rates of earlier steps
        arguments["momentum"] = 0.0
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


def test_lars_computes_what_paddle_computes_in_float32() -> None:
    ours, theirs = make_model(), make_model()
    optimizers = (
        build("LarsMomentum", ours, weight_decay=0.01, lars_coeff=0.5),
        LarsMomentumOptimizer(0.1, 0.9, 0.5, 0.01, parameter_list=theirs.parameters()),
    )
    start = values(ours)
    for rate in (0.1, 0.3, 0.05):
        for model, optimizer in zip((ours, theirs), optimizers):
            optimizer.set_lr(rate)
            train(model, optimizer, num_steps=2)
    moved, expected = values(ours), values(theirs)
    for name in ALL:
        np.testing.assert_allclose(moved[name], expected[name], rtol=1e-5, atol=1e-7, err_msg=name)
        assert np.abs(moved[name] - start[name]).max() > 1e-3


@pytest.mark.parametrize(("name", "share"), [("LarsMomentum", 0.02), ("Lamb", 1.0)])
def test_the_length_of_a_large_batch_step_depends_on_the_weights_and_not_on_the_gradients(
    name: str, share: float
) -> None:
    """The first step, nearly without decay, is `rate * share * norm(weight)` long."""
    for scale in (1e-3, 1e3):
        model = make_model()
        optimizer = build(name, model, weight_decay=1e-9, **({"lars_coeff": share} if name == "LarsMomentum" else {}))
        before = values(model)
        sum((scale * parameter).sum() for parameter in model.parameters()).backward()
        optimizer.step()
        for key, value in values(model).items():
            if before[key].any():
                length = np.linalg.norm(value - before[key]) / np.linalg.norm(before[key])
                assert length == pytest.approx(0.1 * share, rel=1e-2), key


def test_a_rate_by_layer_falls_towards_the_input_and_moves_the_weights_by_as_much() -> None:
    paddle.seed(0)
    blocks = nn.LayerList([nn.Linear(2, 2) for _ in range(2)])
    model = nn.LayerDict({"embed": nn.Linear(2, 2), "blocks": blocks, "head": nn.Linear(2, 2)})
    optimizer = build("AdamWDL", model, weight_decay=0.0, layerwise_decay=0.5)
    before = values(model)
    sum((parameter * 3).sum() for parameter in model.parameters()).backward()
    optimizer.step()
    moved = {name: float((before[name] - value).max()) for name, value in values(model).items()}
    # The first step of Adam has the length of the rate, whatever the gradient.
    expected = {"embed": 0.0125, "blocks.0": 0.025, "blocks.1": 0.05, "head": 0.1}
    for name, length in moved.items():
        assert length == pytest.approx(expected[name.rpartition(".")[0]], rel=1e-3)


def test_a_rate_by_layer_needs_layers() -> None:
    with pytest.raises(ConfigError, match="layerwise_decay: the model has no layers 'blocks.N'; received 0.5"):
        build("AdamWDL", make_model(), layerwise_decay=0.5)
