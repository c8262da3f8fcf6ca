"""What we rely on of Paddle's private names: a Paddle that changes one of them fails here, by its name."""

import numpy as np
import paddle
import pytest

from ppcls.paddle_private import moments_of, rate_of, squared_norm, zero_if


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_squared_norm_is_the_sum_of_squares(dtype: str) -> None:
    x = np.random.default_rng(0).standard_normal((7, 5, 3)).astype(dtype)
    found = squared_norm(paddle.to_tensor(x))
    assert found.shape == [1] and str(found.dtype) == f"paddle.{dtype}"
    assert float(found[0]) == pytest.approx((x.astype("float64") ** 2).sum(), rel=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_zero_if_fills_all_tensors_in_place_or_leaves_every_bit(dtype: str) -> None:
    values = [np.array([[1.5, np.nan], [-np.inf, 2.0]], dtype), np.array([3.0], dtype)]
    tensors = [paddle.to_tensor(value) for value in values]
    zero_if(paddle.to_tensor([False]), tensors)
    assert all(np.array_equal(tensor.numpy(), value, equal_nan=True) for tensor, value in zip(tensors, values))
    zero_if(paddle.to_tensor([True]), tensors)
    assert all((tensor.numpy() == 0).all() for tensor in tensors)
    zero_if(paddle.to_tensor([True]), [])


def test_zero_if_reaches_the_gradient_that_an_update_reads() -> None:
    layer = paddle.nn.Linear(2, 2)
    layer(paddle.ones([1, 2])).sum().backward()
    zero_if(paddle.to_tensor([True]), [layer.weight.grad])
    assert (layer.weight.grad.numpy() == 0).all() and (layer.bias.grad.numpy() == 1).all()


def test_zero_if_reaches_a_gradient_that_is_a_transposed_view() -> None:
    weight = paddle.create_parameter([3, 2], "float32")
    (paddle.ones([1, 2]) @ weight.t()).sum().backward()
    assert not weight.grad.is_contiguous()
    zero_if(paddle.to_tensor([False]), [weight.grad])
    assert (weight.grad.numpy() == 1).all()
    zero_if(paddle.to_tensor([True]), [weight.grad])
    assert (weight.grad.numpy() == 0).all()


def test_rate_of_is_what_the_next_update_multiplies_by() -> None:
    layer = paddle.nn.Linear(1, 1)
    optimizer = paddle.optimizer.SGD(0.5, parameters=layer.parameters())
    for _ in range(2):  # before the first update, and later
        before = layer.bias.item()
        layer(paddle.ones([1, 1])).sum().backward()
        optimizer.set_lr(0.25)
        rate = rate_of(optimizer)
        assert float(rate) == 0.25
        rate.multiply_(paddle.full(rate.shape, 2.0))
        optimizer.step()
        optimizer.clear_grad()
        assert layer.bias.item() == pytest.approx(before - 0.5)


def test_moments_of_are_the_velocities() -> None:
    layer = paddle.nn.Linear(2, 2)
    optimizer = paddle.optimizer.Momentum(0.5, parameters=layer.parameters())
    assert moments_of(optimizer) == []
    layer(paddle.ones([1, 2])).sum().backward()
    optimizer.step()
    assert sorted(moment.shape for moment in moments_of(optimizer)) == [[2], [2, 2]]
    assert all((moment.numpy() == 1).all() for moment in moments_of(optimizer))
