"""The operators that read each value once, and their gradients, against Paddle's own in float64."""

from typing import Any, Callable

import paddle
import pytest
from test_operators import assert_close, dtype, leaf, numpy, random, tolerance

from ppcls.models.layers import Act, Activation
from ppcls.models.layers.operators import ACTIVATIONS, STOCK, activate
from ppcls.ops.operators import OneDNN, run

pytestmark = pytest.mark.usefixtures("onednn")
__all__ = ["dtype"]

NHWC = (3, 5, 7, 20)


def assert_same(
    actual_of: Callable[..., Any], expected_of: Callable[..., Any], arrays: list[Any], types: list[str], within: float
) -> None:
    """Compare results and gradients of the arrays, given in these types, with those in float64."""
    actual = [leaf(array, dtype) for array, dtype in zip(arrays, types)]
    expected = [leaf(numpy(tensor.detach()), "float64") for tensor in actual]
    mine, theirs = actual_of(*actual), expected_of(*expected)
    gradient = paddle.to_tensor(random(*theirs.shape, seed=9)).astype(mine.dtype)
    mine.backward(gradient)
    theirs.backward(gradient.astype("float64"))
    assert_close(mine, theirs, within)
    for one, other in zip(actual, expected):
        assert one.grad.dtype == one.dtype
        assert_close(one.grad, other.grad, within)


@pytest.mark.parametrize("act", [act for act in ACTIVATIONS if act != "silu"])  # a second name of swish
def test_activations(act: Activation, dtype: str, onednn: OneDNN) -> None:
    within = max(tolerance(dtype), 1e-5)  # oneDNN's GELU and Mish are polynomials
    x = 3 * random(*NHWC)
    for corner in (0, 1, 3, 6):  # where a gradient is of one side or the other
        x[abs(abs(x) - corner) < 0.02] += 0.05
    assert_same(lambda x: onednn.activation(Act(act), x), lambda x: activate(act, x), [x], [dtype], within)


def test_the_sum(dtype: str) -> None:
    pair = [random(*NHWC), random(*NHWC, seed=1)]
    assert_same(lambda a, b: run("add", a, b)[0], lambda a, b: a + b, pair, [dtype, dtype], tolerance(dtype))


def test_one_factor_and_one_offset(dtype: str) -> None:
    arrays = [random(*NHWC), random(1, seed=1), random(1, seed=2)]
    types = [dtype, "float32", "float32"]
    within = tolerance(dtype, 2100)
    assert_same(lambda x, s, b: run("affine", x, s, b)[0], lambda x, s, b: x * s + b, arrays, types, within)


@pytest.mark.parametrize("shape", [(3, 20), (3, 1, 1, 20)])
def test_a_gate_for_each_channel_of_each_image(shape: tuple[int, ...], dtype: str) -> None:
    arrays, types = [random(*NHWC), random(*shape, seed=1)], [dtype, "float32"]
    within = tolerance(dtype, 35)
    assert_same(
        lambda x, gates: run("gate", x, gates)[0],
        lambda x, gates: x * gates.reshape([3, 1, 1, 20]),
        arrays,
        types,
        within,
    )


@pytest.mark.parametrize("pixels", [(3, 5, 7), (2, 20, 30)])
def test_a_bias_for_each_channel(pixels: tuple[int, ...], dtype: str) -> None:
    arrays, types = [random(*pixels, 20), random(20, seed=1)], [dtype, "float32"]
    within = tolerance(dtype, 1200)
    assert_same(lambda x, bias: run("add_bias", x, bias)[0], lambda x, bias: x + bias, arrays, types, within)


@pytest.mark.parametrize("channels", [(20, 4, 8), (8, 8, 8)])
def test_channels_side_by_side(channels: tuple[int, ...], dtype: str) -> None:
    arrays = [random(2, 3, 5, width, seed=width) for width in channels]
    assert_same(
        lambda *parts: run("concat", list(parts), False)[0],
        lambda *parts: paddle.concat(parts, axis=-1),
        arrays,
        [dtype] * 3,
        tolerance(dtype),
    )


def test_channels_in_turn(dtype: str) -> None:
    arrays = [random(2, 3, 5, 8, seed=seed) for seed in range(2)]

    def expected(*parts: Any) -> Any:
        shuffled = STOCK.interleave(paddle.nn.Layer(), [part.transpose([0, 3, 1, 2]) for part in parts])
        return shuffled.transpose([0, 2, 3, 1])

    within = tolerance(dtype)
    assert_same(lambda *parts: run("concat", list(parts), True)[0], expected, arrays, [dtype] * 2, within)


def test_halves_of_the_channels(dtype: str) -> None:
    def weighted(first: Any, second: Any) -> Any:
        return 2 * first.astype("float64") + second.astype("float64").square()

    assert_same(
        lambda x: weighted(*run("halves", x)),
        lambda x: weighted(*paddle.chunk(x, 2, axis=-1)),
        [random(*NHWC)],
        [dtype],
        tolerance(dtype),
    )
