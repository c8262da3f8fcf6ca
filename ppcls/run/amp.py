"""Mixed precision: which type the operators compute in, and the scale of the loss."""

import contextlib
from collections.abc import Iterable
from types import MethodType
from typing import Any, Optional

import paddle
from paddle import nn
from paddle.nn import functional as F

from ppcls.config.schema import AMPSection
from ppcls.errors import DeviceError


class Precision:
    """The numeric types of a run on `device`, as the AMP section states them; off, all is float32.

    O1 computes convolutions and matrix products in the low type; O2 also keeps the weights in it, with float32
    master weights in the optimizer. Only float16 needs a scaled loss: bfloat16 has float32's range.
    """

    def __init__(self, amp: AMPSection, device: str) -> None:
        self.amp = amp
        self.on_cpu = device == "cpu"
        self.dtype = amp.dtype or ("bfloat16" if self.on_cpu else "float16")
        if amp.use_amp and self.on_cpu and self.dtype == "float16":
            raise DeviceError(
                "AMP.dtype: float16 has no operators on the CPU; received device 'cpu'; "
                "use -o AMP.dtype=bfloat16, or -o AMP.use_amp=False"
            )
        scaled = amp.use_amp and self.dtype == "float16"
        self.scaler = paddle.amp.GradScaler(
            enable=scaled,
            init_loss_scaling=amp.scale_loss,
            use_dynamic_loss_scaling=amp.use_dynamic_loss_scaling,
        )

    def prepare(self, model: nn.Layer, optimizer: Optional[Any]) -> None:
        """Change the model, and the optimizer of a training run, to the weights' type."""
        if not self.amp.use_amp:
            return
        if self.on_cpu:
            round_products(model.sublayers())
        elif self.amp.level == "O2":
            paddle.amp.decorate(models=model, optimizers=optimizer, level="O2", dtype=self.dtype)

    def autocast(self, *, training: bool = True) -> contextlib.AbstractContextManager[Any]:
        """Return the context of a forward pass; an evaluation is in float32 unless `use_fp16_test`."""
        wanted = self.amp.use_amp and (training or self.amp.use_fp16_test or self.amp.level == "O2")
        if self.on_cpu or not wanted:
            return contextlib.nullcontext()
        context: contextlib.AbstractContextManager[Any] = paddle.amp.auto_cast(
            custom_white_list=set(self.amp.custom_white_list),
            custom_black_list=set(self.amp.custom_black_list),
            level=self.amp.level,
            dtype=self.dtype,
            use_promote=self.amp.use_promote,
        )
        return context

    def __str__(self) -> str:
        if not self.amp.use_amp:
            return "float32"
        if self.on_cpu:
            return "bfloat16 rounding, float32 arithmetic (Paddle has no bfloat16 operators on the CPU)"
        return f"{self.dtype}, level {self.amp.level}"


def round_products(layers: Iterable[nn.Layer]) -> None:
    """Round operands, results and gradients of convolutions and linear layers to bfloat16 in training.

    This gives a CPU the numbers of bfloat16, not its speed: the arithmetic itself stays in float32.
    """
    for layer in layers:
        if isinstance(layer, nn.Conv2D):
            layer.forward = MethodType(_rounded_conv, layer)
        elif isinstance(layer, nn.Linear):
            layer.forward = MethodType(_rounded_linear, layer)


def _rounded(x: paddle.Tensor) -> paddle.Tensor:
    return x.astype("bfloat16").astype("float32")


def _rounded_conv(layer: nn.Conv2D, x: paddle.Tensor) -> paddle.Tensor:
    if not layer.training:
        return nn.Conv2D.forward(layer, x)
    y = F.conv2d(
        _rounded(x),
        _rounded(layer.weight),
        layer.bias,
        stride=layer._stride,
        padding=layer._updated_padding,
        dilation=layer._dilation,
        groups=layer._groups,
        data_format=layer._data_format,
    )
    return _rounded(y)


def _rounded_linear(layer: nn.Linear, x: paddle.Tensor) -> paddle.Tensor:
    if not layer.training:
        return nn.Linear.forward(layer, x)
    return _rounded(F.linear(_rounded(x), _rounded(layer.weight), layer.bias))
