"""Names of Paddle 3.3 that it does not promise to keep; tests/unit/test_paddle_private.py holds what they do here."""

from collections.abc import Sequence
from typing import Any

import paddle
from paddle import _C_ops


def squared_norm(x: paddle.Tensor) -> paddle.Tensor:
    """Return the sum of squares as a tensor [1], by the operator with which Paddle clips; one kernel."""
    return _C_ops.squared_l2_norm(x)


def zero_if(found: paddle.Tensor, tensors: Sequence[paddle.Tensor]) -> None:
    """Fill all tensors, which are of one type, with zeros if `found`, bool [1], is true; one kernel for most.

    What is not a number becomes 0 as well. Nothing is read, written or waited for if it is false.
    """
    whole = [tensor for tensor in tensors if tensor.is_contiguous()]
    if whole:
        scale, count = paddle.ones([1], whole[0].dtype), paddle.zeros([1], "int32")
        _C_ops.update_loss_scaling_(whole, found, scale, count, count, 1, 1, 1.0, 1.0, True)
    for tensor in tensors:
        if not tensor.is_contiguous():  # such as the gradient behind a transposition, which that kernel can't do
            paddle.assign(paddle.where(found, paddle.zeros_like(tensor), tensor), tensor)


def rate_of(optimizer: Any) -> paddle.Tensor:
    """Return the tensor on the device from which the next update reads the learning rate."""
    optimizer._create_global_learning_rate()
    return optimizer._global_learning_rate()


def moments_of(optimizer: Any) -> list[paddle.Tensor]:
    """Return what the optimizer remembers of earlier gradients, such as velocities."""
    return [tensor for of_parameters in optimizer._accumulators.values() for tensor in of_parameters.values()]
