"""Layers that are several branches in training and one convolution when deployed.

Source: https://arxiv.org/abs/2101.03697, section 3.3.
"""

import copy
from typing import TypeVar

import paddle
import paddle.nn.functional as F
from paddle import nn

from ppcls.models.layers.conv import ConvNormAct

AnyLayer = TypeVar("AnyLayer", bound=nn.Layer)


class Reparameterised(nn.Layer):
    """A base of layers that `fuse` turns into their deployed form, in place."""

    def fuse(self) -> None:
        """Replace the branches by the one convolution that gives the same in evaluation."""
        raise NotImplementedError


def fused(model: AnyLayer) -> AnyLayer:
    """Return a copy of the model whose branches are fused."""
    model = copy.deepcopy(model)
    for layer in model.sublayers():
        if isinstance(layer, Reparameterised):
            layer.fuse()
    return model


def fold_norm(layer: ConvNormAct) -> tuple[paddle.Tensor, paddle.Tensor]:
    """Return the kernel and the bias of the convolution that equals convolution and norm in evaluation."""
    norm = layer.norm
    factor = norm.weight / (norm._variance + norm._epsilon).sqrt()
    return layer.convolution.weight * factor.reshape([-1, 1, 1, 1]), norm.bias - norm._mean * factor


def centre_kernel(kernel: paddle.Tensor, size: int) -> paddle.Tensor:
    """Return the kernel with zeros around it, so that its height and width are `size`; all sizes are odd."""
    margin = (size - kernel.shape[-1]) // 2
    return F.pad(kernel, [margin] * 4)
