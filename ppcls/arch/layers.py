"""The layers that the architectures share."""

from dataclasses import dataclass
from typing import Literal

import paddle
import paddle.nn.functional as F
from paddle import nn

from ppcls.arch.sync_norm import ComposedSyncBatchNorm

DataFormat = Literal["NCHW", "NHWC"]


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

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = getattr(self, self.bn_name)(getattr(self, self.conv_name)(x))
        return F.relu(x) if self.relu else x


class UnderscoreConvBN(ConvBN):
    """ConvBN with the state-dict names of PaddleClas's older families."""

    conv_name = "_conv"
    bn_name = "_batch_norm"


class Head(nn.Linear):
    """The classifier, [N, in_features] -> logits [N, class_num].

    `load_weights` leaves it as initialised if the file's has another number of classes.
    """

    def __init__(self, in_features: int, class_num: int) -> None:
        bound = in_features**-0.5
        weight_attr = paddle.ParamAttr(initializer=nn.initializer.Uniform(-bound, bound))
        super().__init__(in_features, class_num, weight_attr=weight_attr)
