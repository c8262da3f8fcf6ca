"""Initial values of weights."""

import paddle
from paddle import nn


def truncated_normal(*parameters: paddle.Tensor, std: float = 0.02) -> None:
    """Draw parameters anew from a normal distribution that is cut at two standard deviations."""
    initial = nn.initializer.TruncatedNormal(std=std)
    for parameter in parameters:
        initial(parameter)


def draw_linears(model: nn.Layer) -> None:
    """Draw the weights of all linear layers as transformers do; biases start as zeros anyway."""
    truncated_normal(*(layer.weight for layer in model.sublayers() if isinstance(layer, nn.Linear)))
