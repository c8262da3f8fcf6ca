import numpy as np
import paddle
import pytest
from paddle import nn

from ppcls.engine.ema import Ema, NoEma
from ppcls.errors import CheckpointError


def make_model() -> nn.Layer:
    paddle.seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1D(4))
    model.register_buffer("num_seen", paddle.zeros([1], dtype="int64"))
    return model


def values(model: nn.Layer) -> dict[str, np.ndarray]:
    return {name: value.numpy().copy() for name, value in model.state_dict().items()}


def change(model: nn.Layer, rng: np.random.Generator) -> None:
    for value in model.state_dict().values():
        new = rng.standard_normal(value.shape) if value.is_floating_point() else rng.integers(0, 9, value.shape)
        value.set_value(new.astype(value.numpy().dtype))


def test_floating_entries_are_averaged_and_others_copied() -> None:
    model, rng = make_model(), np.random.default_rng(0)
    ema, expected = Ema(model, 0.9), values(model)
    assert "1._mean" in expected
    for _ in range(5):
        change(model, rng)
        ema.update()
        for name, value in values(model).items():
            averaged = value.dtype == np.float32
            expected[name] = 0.9 * expected[name] + 0.1 * value if averaged else value
    for name, average in ema.state_dict().items():
        np.testing.assert_allclose(average, expected[name], rtol=1e-5, atol=1e-6)


def test_an_average_of_equal_values_is_that_value() -> None:
    model = make_model()
    ema, before = Ema(model, 0.9999), values(model)
    for _ in range(3):
        ema.update()
    assert all(np.array_equal(average, before[name]) for name, average in ema.state_dict().items())


def test_the_model_holds_the_averages_inside_and_its_own_state_after() -> None:
    model, rng = make_model(), np.random.default_rng(0)
    ema = Ema(model, 0.5)
    change(model, rng)
    ema.update()
    own, parameters = values(model), model.parameters()
    frozen = [parameter.stop_gradient for parameter in parameters]  # as batch-norm statistics are
    with pytest.raises(RuntimeError), ema.swapped():
        inside = values(model)
        assert all(np.array_equal(inside[name], average) for name, average in ema.state_dict().items())
        raise RuntimeError
    after = values(model)
    assert all(np.array_equal(own[name], after[name]) for name in own)
    assert all(left is right for left, right in zip(model.parameters(), parameters))
    assert [parameter.stop_gradient for parameter in parameters] == frozen


def test_bfloat16_weights_are_averaged_in_float32() -> None:
    model = nn.Linear(3, 4).to(dtype="bfloat16")
    ema = Ema(model, 0.999)
    model.weight.set_value(paddle.ones([3, 4], dtype="bfloat16"))
    start = ema.state_dict()["weight"]
    ema.update()
    np.testing.assert_allclose(ema.state_dict()["weight"], start + 0.001 * (1 - start), rtol=1e-6)
    with ema.swapped():
        assert model.weight.dtype == paddle.bfloat16


def test_it_goes_on_from_its_state() -> None:
    model, rng = make_model(), np.random.default_rng(0)
    ema = Ema(model, 0.9)
    change(model, rng)
    ema.update()
    resumed = Ema(model, 0.9)
    resumed.load_state_dict(ema.state_dict())
    change(model, rng)
    ema.update()
    resumed.update()
    left, right = ema.state_dict(), resumed.state_dict()
    assert all(np.array_equal(left[name], right[name]) for name in left)


def test_a_state_that_does_not_fit_is_refused() -> None:
    ema = Ema(make_model(), 0.9)
    state = ema.state_dict()
    del state["0.weight"]
    with pytest.raises(CheckpointError, match="no '0.weight'"):
        ema.load_state_dict(state)


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_a_decay_out_of_range_is_refused(decay: float) -> None:
    with pytest.raises(ValueError, match="decay: out of range"):
        Ema(make_model(), decay)


def test_without_an_ema_nothing_happens() -> None:
    ema = NoEma()
    ema.update()
    with ema.swapped():
        assert ema.state_dict() == {}
    ema.load_state_dict({})
