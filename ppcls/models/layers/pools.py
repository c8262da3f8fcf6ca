"""Pools."""

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
