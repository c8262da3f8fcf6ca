"""Pools."""

import paddle
from paddle import nn

from ppcls.models.layers.operators import DataFormat, Operation


class MaxPool(Operation, nn.MaxPool2D):
    """The largest value of each window."""

    operation = "max_pool"


class AvgPool(Operation, nn.AvgPool2D):
    """The average of each window, without its padding."""

    operation = "avg_pool"


class GlobalAvgPool(Operation, nn.AdaptiveAvgPool2D):
    """The average of each channel, an image of 1 x 1 pixels."""

    operation = "global_avg_pool"

    def __init__(self, data_format: DataFormat = "NCHW") -> None:
        super().__init__(1, data_format=data_format)
        self.data_format = data_format


class GlobalMaxPool(nn.Layer):
    """The largest value of each channel, an image of 1 x 1 pixels."""

    def __init__(self, data_format: DataFormat = "NCHW") -> None:
        super().__init__()
        self.axes = [2, 3] if data_format == "NCHW" else [1, 2]

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return x.max(self.axes, keepdim=True)
