"""The operators seam: layers name the operation that they are, and operators compute it.

Paddle's own operators are the default. `compute_with` gives a model others that have the same methods, such as
ppcls.ops.operators.OneDNN, which say by `obstacle` which layers they can't compute.
"""

import contextlib
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, ClassVar, Literal, Optional

import paddle
import paddle.nn.functional as F
from paddle import nn

DataFormat = Literal["NCHW", "NHWC"]

# Layers of Paddle that fit any layout: they do nothing, hold others, or draw a mask for values one by one.
TRANSPARENT = (nn.Identity, nn.Dropout, nn.Sequential, nn.LayerList)


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

    def global_avg_pool(self, layer: Any, x: paddle.Tensor) -> paddle.Tensor:
        """Return the average of each channel, an image of 1 x 1 pixels."""
        if layer.data_format == "NHWC":  # no pool, which can't be converted to ONNX
            return x.mean([1, 2], keepdim=True)
        return nn.AdaptiveAvgPool2D.forward(layer, x)

    def linear(self, layer: nn.Linear, x: paddle.Tensor) -> paddle.Tensor:
        """Return `x @ weight + bias`."""
        return nn.Linear.forward(layer, x)

    def layer_norm(self, layer: nn.LayerNorm, x: paddle.Tensor) -> paddle.Tensor:
        """Normalise the last axis."""
        return nn.LayerNorm.forward(layer, x)

    def layer_norm_2d(self, layer: nn.LayerNorm, x: paddle.Tensor) -> paddle.Tensor:
        """Normalise the channels of each pixel."""
        return nn.LayerNorm.forward(layer, x.transpose([0, 2, 3, 1])).transpose([0, 3, 1, 2])

    def attention(self, layer: Any, qkv: paddle.Tensor, bias: Optional[paddle.Tensor] = None) -> paddle.Tensor:
        """Return the attention of tokens by their queries, keys and values."""
        attended: paddle.Tensor = layer.by_parts(qkv, bias)
        return attended

    def channels_last(self, layer: nn.Layer, x: paddle.Tensor) -> paddle.Tensor:
        """Return images [N, H, W, C] of images in the layout of the model's layers."""
        return x.transpose([0, 2, 3, 1])

    def model_layout(self, layer: nn.Layer, x_NHWC: paddle.Tensor) -> paddle.Tensor:
        """Return images in the layout of the model's layers of images [N, H, W, C]."""
        return x_NHWC.transpose([0, 3, 1, 2])

    def windows(self, layer: Any, x_NHWC: paddle.Tensor) -> paddle.Tensor:
        """Return the tokens of the layer's windows."""
        tokens: paddle.Tensor = layer.by_parts(x_NHWC)
        return tokens

    def join_windows(self, layer: Any, tokens: paddle.Tensor, height: int, width: int) -> paddle.Tensor:
        """Return the images of the layer's windows, [N, height, width, C]."""
        images: paddle.Tensor = layer.join_by_parts(tokens, height, width)
        return images

    def scale(self, layer: nn.Layer, x: paddle.Tensor, factors: paddle.Tensor) -> paddle.Tensor:
        """Multiply the last axis by a factor each."""
        return factors * x

    def conv(self, layer: nn.Conv2D, x: paddle.Tensor) -> paddle.Tensor:
        """Convolve, and add the bias if there is one."""
        return nn.Conv2D.forward(layer, x)

    def norm_act(self, layer: Any, x: paddle.Tensor) -> paddle.Tensor:
        """Normalise by statistics of the batch, and apply the layer's activation."""
        return activate(layer.act, nn.BatchNorm.forward(layer, x))

    def activation(self, layer: Any, x: paddle.Tensor) -> paddle.Tensor:
        """Apply the layer's activation."""
        return activate(layer.act, x)

    def affine(self, layer: Any, x: paddle.Tensor) -> paddle.Tensor:
        """Return `scale * x + bias`, by one number each."""
        return layer.scale * x + layer.bias

    def gate(self, layer: Any, x: paddle.Tensor, gates: paddle.Tensor) -> paddle.Tensor:
        """Multiply each channel of each image by its gate, [N, C] or with dimensions of 1 for the pixels."""
        num_images, channels = gates.shape[0], x.shape[1 if layer.data_format == "NCHW" else -1]
        shape = [channels, 1, 1] if layer.data_format == "NCHW" else [1, 1, channels]
        return x * gates.reshape([num_images, *shape])

    def drop_path(self, layer: Any, x: paddle.Tensor) -> paddle.Tensor:
        """Set whole samples to zero with probability `rate`; scale the others by 1 / (1 - rate)."""
        keep = 1 - layer.rate
        shape = [x.shape[0]] + [1] * (x.ndim - 1)
        return x / keep * paddle.floor(keep + paddle.rand(shape, dtype=x.dtype))

    def add(self, layer: Any, x: paddle.Tensor, y: paddle.Tensor) -> paddle.Tensor:
        """Return the sum, after the layer's activation."""
        return activate(layer.act, x + y)

    def concat(self, layer: nn.Layer, parts: Sequence[paddle.Tensor]) -> paddle.Tensor:
        """Return the channels of all parts side by side."""
        return paddle.concat(list(parts), axis=1)

    def halves(self, layer: nn.Layer, x: paddle.Tensor) -> Sequence[paddle.Tensor]:
        """Return the first and the second half of the channels."""
        halves: list[paddle.Tensor] = paddle.chunk(x, 2, axis=1)
        return halves

    def interleave(self, layer: nn.Layer, parts: Sequence[paddle.Tensor]) -> paddle.Tensor:
        """Return the first channels of all parts, then their second ones, and so on."""
        num_images, channels, height, width = parts[0].shape
        return paddle.stack(list(parts), axis=2).reshape([num_images, len(parts) * channels, height, width])

    def flatten(self, layer: nn.Layer, x: paddle.Tensor) -> paddle.Tensor:
        """Return the values of each sample in the order channels, height, width."""
        return x.flatten(1)


STOCK = StockOperators()


def quick_gelu(x: paddle.Tensor) -> paddle.Tensor:
    """Return GELU as a sigmoid approximates it. Source: https://arxiv.org/abs/1606.08415, section 2."""
    return x * F.sigmoid(1.702 * x)


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
    "quick_gelu": quick_gelu,
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
    "quick_gelu",
    "mish",
    "tanh",
]


def activate(act: Optional[str], x: paddle.Tensor) -> paddle.Tensor:
    """Return the activation of that name applied to `x`; None leaves `x` as it is."""
    return x if act is None else ACTIVATIONS[act](x)


class Operation:
    """A base of layers that other operators may compute: a call of one calls the method that `operation` names."""

    operators: Any = STOCK
    operation: ClassVar[str]

    def forward(self, *inputs: Any) -> Any:
        return getattr(self.operators, self.operation)(self, *inputs)


def compute_with(model: nn.Layer, operators: Any) -> None:
    """Let every layer of the model that can do so compute with `operators`; weights and their names stay."""
    for layer in model.sublayers(include_self=True):
        if hasattr(type(layer), "operators"):
            layer.operators = operators


@contextlib.contextmanager
def computing_with(model: nn.Layer, operators: Any) -> Iterator[None]:
    """Let the model compute with `operators`, and afterwards with those that it has now."""
    before = [(layer, layer.operators) for layer in model.sublayers(include_self=True) if hasattr(layer, "operators")]
    compute_with(model, operators)
    try:
        yield
    finally:
        for layer, kept in before:
            layer.operators = kept


def computing_layers(layer: nn.Layer) -> Iterator[nn.Layer]:
    """Yield the layers that compute: operations, and leaves that are none; not what is inside an operation."""
    inner = list(layer.children())
    if hasattr(layer, "operation") or not (inner or isinstance(layer, TRANSPARENT)):
        yield layer
        return
    for child in inner:
        yield from computing_layers(child)
