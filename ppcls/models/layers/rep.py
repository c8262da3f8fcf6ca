"""Re-parameterisation: what several branches compute in training, one convolution computes once they are trained.

Source: https://arxiv.org/abs/2101.03697, section 3.3.
"""

import paddle
import paddle.nn.functional as F
from paddle import nn

from ppcls.models.layers.conv import Conv2D
from ppcls.paddle_private import convolving, normalizing

Kernel = tuple[paddle.Tensor, paddle.Tensor]  # weight [out, in / groups, height, width] and bias [out]


def fused(conv: nn.Conv2D, norm: nn.Layer) -> Kernel:
    """Return the kernel of a convolution without bias that a batch norm follows, as both compute in evaluation."""
    return scaled(conv.weight, norm)


def scaled(weight: paddle.Tensor, norm: nn.Layer) -> Kernel:
    """Return a kernel with the batch norm after it taken in."""
    statistics = normalizing(norm)
    factor = norm.weight / (statistics.variance + statistics.epsilon).sqrt()
    return weight * factor.reshape([-1, 1, 1, 1]), norm.bias - statistics.mean * factor


def identity_kernel(channels: int, groups: int, size: int) -> paddle.Tensor:
    """Return the weight of a convolution of odd `size` that changes nothing."""
    within = channels // groups
    eye = paddle.eye(within).tile([groups, 1]).reshape([channels, within, 1, 1])
    return padded(eye, size)


def padded(weight: paddle.Tensor, size: int) -> paddle.Tensor:
    """Return a kernel of odd size, with zeros around it to `size` pixels."""
    vertical, horizontal = ((size - length) // 2 for length in weight.shape[2:])
    return F.pad(weight, [horizontal, horizontal, vertical, vertical])


def with_kernel(like: nn.Conv2D, kernel: Kernel) -> nn.Conv2D:
    """Return a convolution with that kernel, and the stride, groups and layout of `like`; "same" padding."""
    weight, bias = kernel
    out_channels, within, height, width = weight.shape
    window = convolving(like)
    conv = Conv2D(
        within * window.groups,
        out_channels,
        (height, width),
        stride=window.stride,
        padding=(height // 2, width // 2),
        groups=window.groups,
    )
    conv.weight.set_value(weight)
    conv.bias.set_value(bias)
    return conv
