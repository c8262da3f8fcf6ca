"""Learnable factors and offsets."""

import paddle
from paddle import nn

from ppcls.models.layers.operators import Operation


class LearnableAffine(Operation, nn.Layer):
    """One learnable factor and one offset for a whole tensor, 1 and 0 at first."""

    operation = "affine"

    def __init__(self) -> None:
        super().__init__()
        self.scale = self.create_parameter([1], default_initializer=nn.initializer.Constant(1.0))
        self.bias = self.create_parameter([1], is_bias=True)


class LayerScale2D(nn.Layer):
    """A learnable factor for each channel of NCHW images. Source: https://arxiv.org/abs/2103.17239, section 2."""

    def __init__(self, channels: int, initial: float) -> None:
        super().__init__()
        self.gamma = self.create_parameter([channels], default_initializer=nn.initializer.Constant(initial))

    def forward(self, x_NCHW: paddle.Tensor) -> paddle.Tensor:
        return x_NCHW * self.gamma.reshape([1, -1, 1, 1])
