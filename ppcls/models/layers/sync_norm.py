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
        axes, shape = ([0, 2, 3], [1, -1, 1, 1]) if self._data_layout == "NCHW" else ([0, 1, 2], [-1])
        mean = MeanOverRanks.apply(x.mean(axes))
        centered = x - mean.reshape(shape)
        variance = MeanOverRanks.apply((centered * centered).mean(axes))
        with paddle.no_grad():
            for running, new in ((self._mean, mean), (self._variance, variance)):
                paddle.assign(self._momentum * running + (1 - self._momentum) * new, running)
        scale = self.weight * (variance + self._epsilon).rsqrt()
        return centered * scale.reshape(shape) + self.bias.reshape(shape)
