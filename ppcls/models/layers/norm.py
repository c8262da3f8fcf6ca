"""Normalisation."""

import math
from typing import Optional

import paddle
import paddle.nn.functional as F
from paddle import nn

from ppcls.models.layers.operators import Activation, DataFormat, Operation


class BatchNorm(Operation, nn.BatchNorm):
    """Batch norm, and an activation if there is one.

    Without `affine`, its factors and offsets stay 1 and 0 and have no place in the state dict.

    Not BatchNorm2D, which warns in every training; and PaddleClas's names of parameters are BatchNorm's.
    """

    operation = "norm_act"

    def __init__(
        self,
        num_channels: int,
        act: Optional[Activation] = None,
        *,
        data_format: DataFormat = "NCHW",
        epsilon: float = 1e-5,
        momentum: float = 0.9,
        affine: bool = True,
    ) -> None:
        super().__init__(num_channels, data_layout=data_format, epsilon=epsilon, momentum=momentum)
        self.act = act
        if not affine:
            for name, value in (("weight", paddle.ones([num_channels])), ("bias", paddle.zeros([num_channels]))):
                delattr(self, name)
                self.register_buffer(name, value, persistable=False)


class LayerNorm(Operation, nn.LayerNorm):
    """Normalise the last axis of [..., channels]."""

    operation = "layer_norm"

    def __init__(self, num_channels: int, *, epsilon: float = 1e-5) -> None:
        super().__init__(num_channels, epsilon=epsilon)
        self.epsilon = epsilon


class LayerNorm2D(Operation, nn.LayerNorm):
    """Normalise the channels of each pixel of images."""

    operation = "layer_norm_2d"

    def __init__(self, num_channels: int, *, epsilon: float = 1e-6) -> None:
        super().__init__(num_channels, epsilon=epsilon)
        self.epsilon = epsilon


class ImageNorm(nn.GroupNorm):
    """Normalise each NCHW image as a whole; scales and offsets are those of its channels.

    A group norm of one group, as a layer norm: paddle2onnx's group norm gives other numbers.
    """

    def __init__(self, num_channels: int, *, epsilon: float = 1e-5) -> None:
        super().__init__(1, num_channels, epsilon=epsilon)
        self.epsilon = epsilon

    def forward(self, x_NCHW: paddle.Tensor) -> paddle.Tensor:
        normal = F.layer_norm(x_NCHW.flatten(1), [math.prod(x_NCHW.shape[1:])], epsilon=self.epsilon)
        scale, offset = (weight.reshape([-1, 1, 1]) for weight in (self.weight, self.bias))
        return normal.reshape([-1, *x_NCHW.shape[1:]]) * scale + offset


BATCH_NORMS = (nn.BatchNorm, nn.BatchNorm1D, nn.BatchNorm2D, nn.BatchNorm3D, nn.SyncBatchNorm)


def batch_norms(model: nn.Layer, *, frozen: bool) -> list[nn.Layer]:
    """Return the batch norms of a model, or only those whose weights are `frozen`."""
    norms = [layer for layer in model.sublayers() if isinstance(layer, BATCH_NORMS) and layer.parameters()]
    return [norm for norm in norms if not frozen or all(weight.stop_gradient for weight in norm.parameters())]
