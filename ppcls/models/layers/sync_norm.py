"""Batch norm over the batches of all ranks, for devices on which Paddle has no operator for it."""

from typing import Any

import paddle
from paddle import nn

from ppcls.models.layers.norm import BatchNorm
from ppcls.models.layers.operators import activate
from ppcls.paddle_private import normalizing, sync_batch_norm


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


class ComposedSyncBatchNorm(BatchNorm):
    """As paddle.nn.SyncBatchNorm, of operators that every device has; batches must be equally large on all ranks."""

    def forward(self, x: paddle.Tensor) -> Any:
        if not self.training:
            return super().forward(x)
        running_mean, running_variance, momentum, epsilon, data_format = normalizing(self)
        channel_axis = 1 if data_format == "NCHW" else x.ndim - 1
        axes = [axis for axis in range(x.ndim) if axis != channel_axis]
        shape = [-1 if axis == channel_axis else 1 for axis in range(x.ndim)]
        mean = MeanOverRanks.apply(x.mean(axes))
        centered = x - mean.reshape(shape)
        variance = MeanOverRanks.apply((centered * centered).mean(axes))
        with paddle.no_grad():
            for running, new in ((running_mean, mean), (running_variance, variance)):
                paddle.assign(momentum * running + (1 - momentum) * new, running)
        scale = self.weight * (variance + epsilon).rsqrt()
        return activate(self.act, centered * scale.reshape(shape) + self.bias.reshape(shape))


def synchronise(model: nn.Layer) -> None:
    """Let the batch norms of a model take the batches of all ranks; weights and their names stay.

    Over one rank, synchronised batch norm is batch norm.
    """
    if paddle.distributed.get_world_size() == 1:
        return
    has_operator = paddle.get_device().startswith(("gpu", "xpu"))
    for layer in model.sublayers():
        if type(layer) is BatchNorm:
            # In place, as others hold the parameters.
            layer.__class__ = _OperatorSyncBatchNorm if has_operator else ComposedSyncBatchNorm


class _OperatorSyncBatchNorm(BatchNorm):
    """A batch norm by Paddle's operator for several ranks."""

    def forward(self, x: paddle.Tensor) -> Any:
        return activate(self.act, sync_batch_norm(self, x))
