"""Batch norm over the batches of all ranks, for devices on which Paddle has no operator for it."""

from typing import Any

import paddle
from paddle import nn


class MeanOverRanks(paddle.autograd.PyLayer):
    """The average of a tensor over all ranks, through which gradients flow to all of them."""

    @staticmethod
    def forward(ctx: Any, x: paddle.Tensor) -> paddle.Tensor:
        return _mean_over_ranks(x)

    @staticmethod
    def backward(ctx: Any, gradient: paddle.Tensor) -> paddle.Tensor:
        return _mean_over_ranks(gradient)


def _mean_over_ranks(x: paddle.Tensor) -> paddle.Tensor:
    total = x.clone()
    paddle.distributed.all_reduce(total)
    return total / paddle.distributed.get_world_size()


class ComposedSyncBatchNorm(nn.BatchNorm):
    """As paddle.nn.SyncBatchNorm, of operators that every device has; batches must be equally large on all ranks."""

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        if not self.training:
            return super().forward(x)
        channel_axis = 1 if self._data_layout == "NCHW" else x.ndim - 1
        axes = [axis for axis in range(x.ndim) if axis != channel_axis]
        shape = [-1 if axis == channel_axis else 1 for axis in range(x.ndim)]
        mean = MeanOverRanks.apply(x.mean(axes))
        centered = x - mean.reshape(shape)
        variance = MeanOverRanks.apply((centered * centered).mean(axes))
        with paddle.no_grad():
            for running, new in ((self._mean, mean), (self._variance, variance)):
                paddle.assign(self._momentum * running + (1 - self._momentum) * new, running)
        scale = self.weight * (variance + self._epsilon).rsqrt()
        return centered * scale.reshape(shape) + self.bias.reshape(shape)


def synchronise(model: nn.Layer) -> None:
    """Let the batch norms of a model take the batches of all ranks; weights and their names stay.

    Over one rank, synchronised batch norm is batch norm.
    """
    if paddle.distributed.get_world_size() == 1:
        return
    has_operator = paddle.get_device().startswith(("gpu", "xpu"))
    for layer in model.sublayers():
        if type(layer) is nn.BatchNorm:
            # In place, as others hold the parameters.
            layer.__class__ = _OperatorSyncBatchNorm if has_operator else ComposedSyncBatchNorm


class _OperatorSyncBatchNorm(nn.BatchNorm):
    """A batch norm by Paddle's operator for several ranks."""

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        y, *_ = paddle._C_ops.sync_batch_norm_(
            x,
            self._mean,
            self._variance,
            self.weight,
            self.bias,
            not self.training,
            self._momentum,
            self._epsilon,
            self._data_layout,
            False,
            False,
        )
        return y
