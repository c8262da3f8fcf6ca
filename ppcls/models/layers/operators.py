"""The operators seam: layers name the operation that they are, and operators compute it.

Paddle's own operators are the default. `compute_with` gives a model others that have the same methods, such as
ppcls.ops.operators.OneDNN, which say by `obstacle` which layers they can't compute.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any, ClassVar, Literal, Optional

import paddle
import paddle.nn.functional as F
from paddle import nn

DataFormat = Literal["NCHW", "NHWC"]

# Layers of Paddle that move no number, and so fit any layout.
TRANSPARENT = (nn.Identity, nn.Flatten, nn.Sequential, nn.LayerList)


class StockOperators:
    """Paddle's own operators, in each layer's `data_format`; one method for each `operation`."""

    def images(self, model: nn.Layer, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        """Return the images in the layout that the model's layers take."""
        return images_NCHW.transpose([0, 2, 3, 1]) if model.data_format == "NHWC" else images_NCHW

    def branch(self, layer: nn.Layer, x: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Return `x` for two uses."""
        return x, x

    def conv_norm_act(self, layer: Any, x: paddle.Tensor, shortcut: Optional[paddle.Tensor]) -> paddle.Tensor:
        """Convolve, normalise, add the shortcut if there is one, and apply the layer's activation."""
        x = layer.norm(layer.convolution(x))
        x = x if shortcut is None else x + shortcut
        return activate(layer.act, x)

    def max_pool(self, layer: nn.MaxPool2D, x: paddle.Tensor) -> paddle.Tensor:
        """Return the largest value of each window."""
        return nn.MaxPool2D.forward(layer, x)

    def avg_pool(self, layer: nn.AvgPool2D, x: paddle.Tensor) -> paddle.Tensor:
        """Return the average of each window, without its padding."""
        return nn.AvgPool2D.forward(layer, x)

    def global_avg_pool(self, layer: nn.AdaptiveAvgPool2D, x: paddle.Tensor) -> paddle.Tensor:
        """Return the average of each channel, an image of 1 x 1 pixels."""
        return nn.AdaptiveAvgPool2D.forward(layer, x)

    def linear(self, layer: nn.Linear, x: paddle.Tensor) -> paddle.Tensor:
        """Return `x @ weight + bias`."""
        return nn.Linear.forward(layer, x)


STOCK = StockOperators()


def leaky_relu(x: paddle.Tensor, slope: float = 0.01) -> paddle.Tensor:
    """Return x, or where it is negative slope * x; paddle2onnx gives F.leaky_relu a wrong slope."""
    return paddle.maximum(x, slope * x)


ACTIVATIONS = {
    "relu": F.relu,
    "relu6": F.relu6,
    "leaky_relu": leaky_relu,
    "steep_leaky_relu": partial(leaky_relu, slope=0.1),
    "sigmoid": F.sigmoid,
    "hardsigmoid": F.hardsigmoid,
    # Five, not six, from end to end: that of MobileNetV3 in PaddleClas.
    "steep_hardsigmoid": partial(F.hardsigmoid, slope=0.2),
    "clip": partial(paddle.clip, min=0.0, max=1.0),
    "hardswish": F.hardswish,
    "swish": F.silu,
    "silu": F.silu,
    "gelu": F.gelu,
    "mish": F.mish,
    "tanh": F.tanh,
}
Activation = Literal[
    "relu",
    "relu6",
    "leaky_relu",
    "steep_leaky_relu",
    "sigmoid",
    "hardsigmoid",
    "steep_hardsigmoid",
    "clip",
    "hardswish",
    "swish",
    "silu",
    "gelu",
    "mish",
    "tanh",
]


def activate(act: Optional[str], x: paddle.Tensor) -> paddle.Tensor:
    """Return the activation of that name applied to `x`; None leaves `x` as it is."""
    return x if act is None else ACTIVATIONS[act](x)


class Operation:
    """A base of layers that other operators may compute: `forward` calls the method that `operation` names."""

    operators: Any = STOCK
    operation: ClassVar[str]

    def forward(self, x: paddle.Tensor) -> Any:
        return getattr(self.operators, self.operation)(self, x)


def compute_with(model: nn.Layer, operators: Any) -> None:
    """Let every layer of the model that can do so compute with `operators`; weights and their names stay."""
    for layer in model.sublayers(include_self=True):
        if hasattr(type(layer), "operators"):
            layer.operators = operators


def computing_layers(layer: nn.Layer) -> Iterator[nn.Layer]:
    """Yield the layers that compute: operations, and leaves that are none; not what is inside an operation."""
    inner = list(layer.children())
    if hasattr(layer, "operation") or not (inner or isinstance(layer, TRANSPARENT)):
        yield layer
        return
    for child in inner:
        yield from computing_layers(child)
