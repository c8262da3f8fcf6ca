"""Initial values of weights."""

import paddle
from paddle import nn


def truncated_normal(*parameters: paddle.Tensor, std: float = 0.02) -> None:
    """Draw parameters anew from a normal distribution that is cut at two standard deviations."""
    initial = nn.initializer.TruncatedNormal(std=std)
    for parameter in parameters:
        initial(parameter)


def draw_linears(model: nn.Layer, *, std: float = 0.02) -> None:
    """Draw the weights of all linear layers as transformers do; biases start as zeros anyway."""
    truncated_normal(*(layer.weight for layer in model.sublayers() if isinstance(layer, nn.Linear)), std=std)


def draw_by_fan_out(model: nn.Layer, *, of_each_group: bool = False) -> None:
    """Draw the weights of convolutions with std = sqrt(2 / fan_out), of all groups together or of each.

    Source: https://arxiv.org/abs/1502.01852, section 2.2, backward propagation case.
    """
    for layer in model.sublayers():
        if isinstance(layer, nn.Conv2D):
            out_channels, _, height, width = layer.weight.shape
            fan_out = height * width * out_channels // (layer._groups if of_each_group else 1)
            nn.initializer.Normal(std=(2 / fan_out) ** 0.5)(layer.weight)
