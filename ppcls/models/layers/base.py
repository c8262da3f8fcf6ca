"""The layers that the architectures share."""

from dataclasses import dataclass
from typing import Any, Literal, Optional

import paddle
import paddle.nn.functional as F
from paddle import nn

from ppcls.models.layers.sync_norm import ComposedSyncBatchNorm

DataFormat = Literal["NCHW", "NHWC"]


class StockOperators:
    """What the layers compute with: Paddle's own operators, in each layer's `data_format`.

    `compute_with` gives a model others that have these methods, such as ppcls.ops.operators.OneDNN.
    """

    def images(self, model: nn.Layer, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        """Return the images in the layout that the model's layers take."""
        return images_NCHW.transpose([0, 2, 3, 1]) if model.data_format == "NHWC" else images_NCHW

    def branch(self, x: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Return `x` for two uses."""
        return x, x

    def conv_bn(self, layer: "ConvBN", x: paddle.Tensor, shortcut: Optional[paddle.Tensor]) -> paddle.Tensor:
        """Convolve, normalise, add the shortcut if there is one, and apply the layer's ReLU."""
        x = layer.norm(layer.convolution(x))
        x = x if shortcut is None else x + shortcut
        return F.relu(x) if layer.relu else x

    def max_pool(self, layer: nn.MaxPool2D, x: paddle.Tensor) -> paddle.Tensor:
        """Return the largest value of each window."""
        return nn.MaxPool2D.forward(layer, x)

    def avg_pool(self, layer: nn.AvgPool2D, x: paddle.Tensor) -> paddle.Tensor:
        """Return the average of each window, without its padding."""
        return nn.AvgPool2D.forward(layer, x)

    def global_avg_pool(self, layer: nn.AdaptiveAvgPool2D, x: paddle.Tensor) -> paddle.Tensor:
        """Return the average of each channel, a picture of 1 x 1 pixels."""
        return nn.AdaptiveAvgPool2D.forward(layer, x)

    def linear(self, layer: nn.Linear, x: paddle.Tensor) -> paddle.Tensor:
        """Return `x @ weight + bias`."""
        return nn.Linear.forward(layer, x)


STOCK = StockOperators()


def compute_with(model: nn.Layer, operators: Any) -> None:
    """Let every layer of the model that can do so compute with `operators`; weights and their names stay."""
    for layer in model.sublayers(include_self=True):
        if hasattr(type(layer), "operators"):
            layer.operators = operators


@dataclass(frozen=True)
class LayerOptions:
    """What all layers of one stage have in common.

    `lr_mult` multiplies the learning rate of their parameters.
    """

    data_format: DataFormat
    lr_mult: float
    use_sync_bn: bool

    def attr(self) -> paddle.ParamAttr:
        """Return a parameter's attribute; each parameter needs its own."""
        return paddle.ParamAttr(learning_rate=self.lr_mult)


def batch_norm(num_channels: int, options: LayerOptions) -> nn.Layer:
    """Return a batch norm, over the batches of all ranks if `options` say so."""
    # Over one rank, synchronised batch norm is batch norm.
    synchronised = options.use_sync_bn and paddle.distributed.get_world_size() > 1
    if synchronised and paddle.get_device().startswith(("gpu", "xpu")):  # which have an operator for it
        return nn.SyncBatchNorm(
            num_channels, weight_attr=options.attr(), bias_attr=options.attr(), data_format=options.data_format
        )
    # Not BatchNorm2D, which warns in every training; and PaddleClas's names of parameters are BatchNorm's.
    batch_norm_class = ComposedSyncBatchNorm if synchronised else nn.BatchNorm
    return batch_norm_class(
        num_channels, param_attr=options.attr(), bias_attr=options.attr(), data_layout=options.data_format
    )


class ConvBN(nn.Layer):
    """Convolution without bias, batch norm and, if `relu`, a ReLU; "same" padding for an odd kernel.

    The weights start as Paddle's default: normal with std = sqrt(2 / fan_in).
    Source: https://arxiv.org/abs/1502.01852, equation 10.
    """

    operators: Any = STOCK
    conv_name = "conv"
    bn_name = "bn"

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        relu: bool = False,
        options: LayerOptions,
    ) -> None:
        super().__init__()
        conv = nn.Conv2D(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=(kernel_size - 1) // 2,
            weight_attr=options.attr(),
            bias_attr=False,
            data_format=options.data_format,
        )
        self.add_sublayer(self.conv_name, conv)
        self.add_sublayer(self.bn_name, batch_norm(out_channels, options))
        self.relu = relu

    @property
    def convolution(self) -> nn.Conv2D:
        return getattr(self, self.conv_name)

    @property
    def norm(self) -> nn.Layer:
        return getattr(self, self.bn_name)

    def forward(self, x: paddle.Tensor, shortcut: Optional[paddle.Tensor] = None) -> paddle.Tensor:
        """Return the layer's result for `x`; a `shortcut` of its shape is added before the ReLU."""
        return self.operators.conv_bn(self, x, shortcut)


class UnderscoreConvBN(ConvBN):
    """ConvBN with the state-dict names of PaddleClas's older families."""

    conv_name = "_conv"
    bn_name = "_batch_norm"


class Branch(nn.Layer):
    """One tensor for two uses."""

    operators: Any = STOCK

    def forward(self, x: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        first, second = self.operators.branch(x)
        return first, second


class MaxPool(nn.MaxPool2D):
    """The largest value of each window."""

    operators: Any = STOCK

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.operators.max_pool(self, x)


class AvgPool(nn.AvgPool2D):
    """The average of each window, without its padding."""

    operators: Any = STOCK

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.operators.avg_pool(self, x)


class GlobalAvgPool(nn.AdaptiveAvgPool2D):
    """The average of each channel, a picture of 1 x 1 pixels."""

    operators: Any = STOCK

    def __init__(self, data_format: DataFormat) -> None:
        super().__init__(1, data_format=data_format)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.operators.global_avg_pool(self, x)


class Head(nn.Linear):
    """The classifier, [N, in_features] -> logits [N, class_num].

    `load_weights` leaves it as initialised if the file's has another number of classes.
    """

    operators: Any = STOCK

    def __init__(self, in_features: int, class_num: int) -> None:
        bound = in_features**-0.5
        weight_attr = paddle.ParamAttr(initializer=nn.initializer.Uniform(-bound, bound))
        super().__init__(in_features, class_num, weight_attr=weight_attr)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.operators.linear(self, x)
