"""The layers' arithmetic by oneDNN, images channels-last inside the model whatever its `data_format`."""

import math
from collections.abc import Sequence
from typing import Any, Optional, Union

import paddle
from paddle import nn

from ppcls.models.layers.linear import Head
from ppcls.models.layers.norm import BatchNorm
from ppcls.models.layers.operators import ACTIVATIONS
from ppcls.ops import compiled
from ppcls.paddle_private import convolving, normalizing, run_custom_op


def run(name: str, *arguments: Any) -> Any:
    """Call the operator `name` of ppcls/ops/onednn; return the list of its results."""
    return run_custom_op(f"ppcls_{name}", *arguments)


# The activations that batch norm applies, too, and finds the gradient of without keeping its result.
WITH_NORM = {None, "relu", "relu6", "leaky_relu", "hardswish", "swish", "silu"}


def obstacle(layer: Any) -> str:
    """Return why a layer can't be computed here; empty if it can."""
    operation = getattr(layer, "operation", None)
    if operation is None or not hasattr(OneDNN, operation):
        return f"no oneDNN form of {type(layer).__name__}"
    act = getattr(layer, "act", None)
    if isinstance(act, str) and act not in ACTIVATIONS:
        return f"no oneDNN form of the activation {act}"
    norm = layer.norm if operation == "conv_norm_act" else layer
    if isinstance(norm, nn.BatchNorm) and type(norm) is not BatchNorm:
        return f"no oneDNN form of {type(norm).__name__}"
    return ""


class OneDNN:
    """Stands in for ppcls.models.layers.operators.StockOperators; the numbers differ by rounding alone.

    Activations and their gradients are bfloat16 in training if `bfloat16`, and in evaluation if
    `bfloat16_evaluation`; weights, statistics, their gradients, what squeeze-and-excitation computes of averages and
    the classifier are float32 always.
    """

    def __init__(self, *, bfloat16: bool = False, bfloat16_evaluation: bool = False) -> None:
        self.bfloat16 = bfloat16
        self.bfloat16_evaluation = bfloat16_evaluation
        compiled.load()

    def images(self, model: nn.Layer, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        """Return the images as NHWC, in the type that the model computes in."""
        (x,) = run("channels_last", images_NCHW, self.bfloat16 if model.training else self.bfloat16_evaluation)
        return x

    def branch(self, layer: nn.Layer, x: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Return `x` for two uses."""
        first, second = run("branch", x)
        return first, second

    def conv_norm_act(self, layer: Any, x: paddle.Tensor, shortcut: Optional[paddle.Tensor]) -> paddle.Tensor:
        """Convolve, normalise, add the shortcut if there is one, and apply the layer's activation."""
        conv, norm = layer.convolution, layer.norm
        window, groups = _conv_window(conv, x.shape)
        if not (norm.training or paddle.is_grad_enabled()):
            mean, variance, _, epsilon, _ = normalizing(norm)
            statistics, settings = (norm.weight, norm.bias, mean, variance), (epsilon, _name(layer.act))
            (y,) = run("folded", x, conv.weight, *statistics, shortcut, window, groups, *settings)
            return y
        (y,) = run("convolution", x, conv.weight, window, groups, not x.stop_gradient)
        return _normalised(norm, y, shortcut, layer.act)

    def norm_act(self, layer: Any, x: paddle.Tensor) -> paddle.Tensor:
        """Normalise by statistics of the batch, and apply the layer's activation."""
        return _normalised(layer, x, None, layer.act)

    def conv(self, layer: nn.Conv2D, x: paddle.Tensor) -> paddle.Tensor:
        """Convolve, and add the bias if there is one."""
        (y,) = run("convolution", x, layer.weight, *_conv_window(layer, x.shape), not x.stop_gradient)
        return y if layer.bias is None else run("add_bias", y, layer.bias)[0]

    def activation(self, layer: Any, x: paddle.Tensor) -> paddle.Tensor:
        """Apply the layer's activation."""
        return _activated(layer.act, x)

    def affine(self, layer: Any, x: paddle.Tensor) -> paddle.Tensor:
        """Return `scale * x + bias`, by one number each."""
        return run("affine", x, layer.scale, layer.bias)[0]

    def gate(self, layer: nn.Layer, x: paddle.Tensor, gates: paddle.Tensor) -> paddle.Tensor:
        """Multiply each channel of each image by its gate, [N, C] or with dimensions of 1 for the pixels."""
        return run("gate", x, gates)[0]

    def drop_path(self, layer: Any, x: paddle.Tensor) -> paddle.Tensor:
        """Set whole samples to zero with probability `rate`; scale the others by 1 / (1 - rate)."""
        keep, (num_samples, *_, channels) = 1 - layer.rate, x.shape
        kept = paddle.floor(keep + paddle.rand([num_samples, 1])) / keep
        return run("gate", x, kept.expand([num_samples, channels]).contiguous())[0]

    def add(self, layer: Any, x: paddle.Tensor, y: paddle.Tensor) -> paddle.Tensor:
        """Return the sum, after the layer's activation."""
        return _activated(layer.act, run("add", x, y)[0])

    def concat(self, layer: nn.Layer, parts: Sequence[paddle.Tensor]) -> paddle.Tensor:
        """Return the channels of all parts side by side."""
        return run("concat", list(parts), False)[0]

    def interleave(self, layer: nn.Layer, parts: Sequence[paddle.Tensor]) -> paddle.Tensor:
        """Return the first channels of all parts, then their second ones, and so on."""
        return run("concat", list(parts), True)[0]

    def halves(self, layer: nn.Layer, x: paddle.Tensor) -> Sequence[paddle.Tensor]:
        """Return the first and the second half of the channels."""
        first, second = run("halves", x)
        return first, second

    def flatten(self, layer: nn.Layer, x: paddle.Tensor) -> paddle.Tensor:
        """Return the values of each sample in the order channels, height, width, as float32."""
        return x.transpose([0, 3, 1, 2]).flatten(1).astype("float32")

    def max_pool(self, layer: nn.MaxPool2D, x: paddle.Tensor) -> paddle.Tensor:
        """Return the largest value of each window."""
        return run("pooling", x, _pool_window(layer, x.shape), True)[0]

    def avg_pool(self, layer: nn.AvgPool2D, x: paddle.Tensor) -> paddle.Tensor:
        """Return the average of each window, without its padding."""
        return run("pooling", x, _pool_window(layer, x.shape), False)[0]

    def global_avg_pool(self, layer: nn.AdaptiveAvgPool2D, x: paddle.Tensor) -> paddle.Tensor:
        """Return the average of each channel as float32 [N, 1, 1, C]."""
        _, height, width, _ = x.shape
        return run("pooling", x, [height, width, 1, 1, 0, 0, 0, 0], False)[0].astype("float32")

    def linear(self, layer: nn.Linear, x: paddle.Tensor) -> paddle.Tensor:
        """Return `x @ weight + bias`."""
        x = x.astype("float32") if isinstance(layer, Head) else x
        (y,) = run("linear", x, layer.weight, layer.bias)
        return y

    def layer_norm(self, layer: nn.LayerNorm, x: paddle.Tensor) -> paddle.Tensor:
        """Normalise the last axis."""
        return run("layer_norm", x, layer.weight, layer.bias, layer.epsilon)[0]

    layer_norm_2d = layer_norm

    def attention(self, layer: Any, qkv: paddle.Tensor, bias: Optional[paddle.Tensor] = None) -> paddle.Tensor:
        """Return the attention of tokens by their queries, keys and values; with dropout Paddle computes it."""
        if layer.training and layer.dropout.p:
            return layer.by_parts(qkv.astype("float32"), bias).astype(qkv.dtype)
        bias = bias.unsqueeze(0) if bias is not None and bias.ndim == 3 else bias
        return run("attention", qkv, bias, layer.num_heads, layer.factor)[0]

    def windows(self, layer: Any, x_NHWC: paddle.Tensor) -> paddle.Tensor:
        """Return the tokens of the layer's windows."""
        return run("windows", x_NHWC, [layer.size, layer.width, layer.shift])[0]

    def join_windows(self, layer: Any, tokens: paddle.Tensor, height: int, width: int) -> paddle.Tensor:
        """Return the images of the layer's windows, [N, height, width, C]."""
        return run("join_windows", tokens, height, width, [layer.size, layer.width, layer.shift])[0]

    def scale(self, layer: nn.Layer, x: paddle.Tensor, factors: paddle.Tensor) -> paddle.Tensor:
        """Multiply the last axis by a factor each."""
        return run("gate", x, factors)[0]

    def channels_last(self, layer: nn.Layer, x: paddle.Tensor) -> paddle.Tensor:
        """Return the images as they are."""
        return x

    model_layout = channels_last


def _name(act: Optional[str]) -> str:
    """Return the activation's name in ppcls/ops/onednn."""
    return {None: "none", "silu": "swish"}.get(act, act)  # type: ignore[return-value]


def _activated(act: Optional[str], x: paddle.Tensor) -> paddle.Tensor:
    if act is None:
        return x
    return run("relu", x)[0] if act == "relu" else run("activation", x, _name(act))[0]


def _normalised(
    norm: nn.BatchNorm, x: paddle.Tensor, shortcut: Optional[paddle.Tensor], act: Optional[str]
) -> paddle.Tensor:
    """Normalise, add the shortcut if there is one, and apply the activation: where it can be, in one operator."""
    within = act if act in (WITH_NORM if shortcut is None else (None, "relu")) else None
    mean, variance, momentum, epsilon, _ = normalizing(norm)
    statistics, settings = (norm.weight, norm.bias, mean, variance), (momentum, epsilon, _name(within), norm.training)
    if shortcut is None:
        y = run("batch_norm", x, *statistics, *settings)[0]
    else:
        y = run("batch_norm_add", x, *statistics, shortcut, *settings)[0]
    return y if within == act else _activated(act, y)


def _pair(value: Union[int, Sequence[int]]) -> list[int]:
    return [value, value] if isinstance(value, int) else list(value)


def _conv_window(conv: nn.Conv2D, shape_NHWC: list[int]) -> tuple[list[int], int]:
    """Return strides, the padding at the top, bottom, left and right, and dilations; and the number of groups."""
    window = convolving(conv)
    strides, dilations = _pair(window.stride), _pair(window.dilation)
    lengths = [dilation * (size - 1) + 1 for dilation, size in zip(dilations, conv.weight.shape[2:])]
    paddings = _paddings(window.padding, shape_NHWC, lengths, strides)
    return [*strides, *(side for pair in paddings for side in pair), *dilations], window.groups


def _pool_window(layer: Any, shape_NHWC: list[int]) -> list[int]:
    """Return kernel, strides and the padding at the top, bottom, left and right that give Paddle's output size."""
    lengths, strides = _pair(layer.ksize), _pair(layer.stride)
    paddings = _paddings(layer.padding, shape_NHWC, lengths, strides)
    if layer.ceil_mode and layer.padding != "SAME":
        paddings = [
            (before, after + -(size + before + after - length) % stride)
            for (before, after), size, length, stride in zip(paddings, shape_NHWC[1:3], lengths, strides)
        ]
    return [*lengths, *strides, *(side for pair in paddings for side in pair)]


def _paddings(
    padding: Union[str, int, Sequence[int]], shape_NHWC: list[int], lengths: list[int], strides: list[int]
) -> list[tuple[int, int]]:
    """Return the padding before and after the rows, and the columns; "SAME": what the last windows lack, the odd pixel
    at the end."""
    if padding != "SAME":
        return [(side, side) for side in _pair(padding)]  # type: ignore[arg-type]
    lacking = [
        max((math.ceil(size / stride) - 1) * stride + length - size, 0)
        for size, length, stride in zip(shape_NHWC[1:3], lengths, strides)
    ]
    return [(total // 2, total - total // 2) for total in lacking]
