"""The layers' arithmetic by oneDNN, images channels-last inside the model whatever its `data_format`."""

import math
from typing import Any, Optional, Union

import paddle
from paddle import nn

from ppcls.ops import compiled


def run(name: str, *arguments: Any) -> Any:
    """Call the operator `name` of ppcls/ops/onednn/operators.cc; return the list of its results."""
    return paddle._C_ops._run_custom_op(f"ppcls_{name}", *arguments)


# The methods of OneDNN that stand for an operation of a layer.
OPERATIONS = {"branch", "conv_norm_act", "max_pool", "avg_pool", "global_avg_pool", "linear"}


def obstacle(layer: Any) -> str:
    """Return why a layer can't be computed here; empty if it can."""
    operation = getattr(layer, "operation", None)
    if operation not in OPERATIONS:
        return f"no oneDNN form of {type(layer).__name__}"
    if operation == "conv_norm_act":
        act, norm = layer.act, type(layer.norm)
        if act not in (None, "relu"):
            return f"no oneDNN form of the activation {act}"
        if norm is not nn.BatchNorm:
            return f"no oneDNN form of {norm.__name__}"
    return ""


class OneDNN:
    """Stands in for ppcls.models.layers.operators.StockOperators; the numbers differ by rounding alone.

    Activations and their gradients are bfloat16 in training if `bfloat16`, and in evaluation if
    `bfloat16_evaluation`; weights, statistics, their gradients and the classifier are float32 always.
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
        window = [*conv._stride, *conv._updated_padding, *_pair(conv._dilation)]
        statistics = (norm.weight, norm.bias, norm._mean, norm._variance)
        if not (norm.training or paddle.is_grad_enabled()):
            settings = (window, conv._groups, norm._epsilon, layer.act == "relu")
            (y,) = run("folded", x, conv.weight, *statistics, shortcut, *settings)
            return y
        (y,) = run("convolution", x, conv.weight, window, conv._groups, not x.stop_gradient)
        rates, batch_statistics = (norm._momentum, norm._epsilon), norm.training and not norm._use_global_stats
        if shortcut is None:
            return run("batch_norm", y, *statistics, *rates, layer.act == "relu", batch_statistics)[0]
        return run("batch_norm_add", y, *statistics, shortcut, *rates, layer.act == "relu", batch_statistics)[0]

    def max_pool(self, layer: nn.MaxPool2D, x: paddle.Tensor) -> paddle.Tensor:
        """Return the largest value of each window."""
        return run("pooling", x, _pool_window(layer.ksize, layer, x.shape), True)[0]

    def avg_pool(self, layer: nn.AvgPool2D, x: paddle.Tensor) -> paddle.Tensor:
        """Return the average of each window, without its padding."""
        return run("pooling", x, _pool_window(layer.ksize, layer, x.shape), False)[0]

    def global_avg_pool(self, layer: nn.AdaptiveAvgPool2D, x: paddle.Tensor) -> paddle.Tensor:
        """Return the average of each channel as float32 [N, 1, 1, C]."""
        _, height, width, _ = x.shape
        return run("pooling", x, [height, width, 1, 1, 0, 0, 0, 0], False)[0].astype("float32")

    def linear(self, layer: nn.Linear, x: paddle.Tensor) -> paddle.Tensor:
        """Return `x @ weight + bias`."""
        (y,) = run("linear", x, layer.weight, layer.bias)
        return y


def _pair(value: Union[int, list[int]]) -> list[int]:
    return [value, value] if isinstance(value, int) else list(value)


def _pool_window(kernel: Union[int, list[int]], layer: Any, shape_NHWC: list[int]) -> list[int]:
    """Return kernel, strides and the padding at the top, bottom, left and right that give Paddle's output size."""
    kernels, strides = _pair(kernel), _pair(layer.stride)
    window = [*kernels, *strides]
    for size, length, stride, padding in zip(shape_NHWC[1:3], kernels, strides, _paddings(layer.padding)):
        if padding is None:  # "SAME": what the last windows lack, the odd pixel at the end
            lacking = max((math.ceil(size / stride) - 1) * stride + length - size, 0)
            window += [lacking // 2, lacking - lacking // 2]
        else:
            beyond = (-(size + 2 * padding - length)) % stride if layer.ceil_mode else 0
            window += [padding, padding + beyond]
    return window


def _paddings(padding: Union[str, int, list[int]]) -> list[Optional[int]]:
    return [None, None] if padding == "SAME" else list(_pair(padding))  # type: ignore[arg-type]
