"""Mixed precision: which type the operators compute in, and the scale of the loss."""

import contextlib
import warnings
from collections.abc import Iterable
from typing import Any, Optional

import paddle
from paddle import nn
from paddle.nn import functional as F

from ppcls import environment
from ppcls.config.schema import AMPSection
from ppcls.errors import DeviceError
from ppcls.models.layers import STOCK, ConvHead
from ppcls.paddle_private import GradScaler, convolving, parts_of


class Precision:
    """The numeric types of a run on `device`, as the AMP section states them; off, all is float32.

    O1 computes convolutions and matrix products in the low type; O2 also keeps the weights in it, with float32
    master weights in the optimizer. Only float16 needs a scaled loss: bfloat16 has float32's range.
    """

    def __init__(self, amp: AMPSection, device: str) -> None:
        self.amp = amp
        self.on_cpu = device == "cpu"
        self.dtype = amp.dtype or ("bfloat16" if self.on_cpu else "float16")
        if amp.use_amp and self.on_cpu:
            self._refuse_on_cpu()
        elif amp.use_amp:
            self._refuse_unsupported(device)
        self.operators: Any = STOCK
        scaled = amp.use_amp and self.dtype == "float16"
        self.scaler = LossScaler(
            enable=scaled,
            init_loss_scaling=amp.scale_loss,
            use_dynamic_loss_scaling=amp.use_dynamic_loss_scaling,
        )

    def _refuse_on_cpu(self) -> None:
        faults = {
            "dtype: float16 has no operators on the CPU; use -o AMP.dtype=bfloat16": self.dtype == "float16",
            "level: O2 keeps the weights in a type without operators on the CPU; use -o AMP.level=O1": (
                self.amp.level == "O2"
            ),
            "custom_white_list, custom_black_list: choose among operators of an accelerator; leave them out": (
                self.amp.custom_white_list or self.amp.custom_black_list
            ),
        }
        found = [f"AMP.{fault}, or -o AMP.use_amp=False; received device 'cpu'" for fault in faults if faults[fault]]
        if found:
            raise DeviceError("\n".join(found))

    def _refuse_unsupported(self, device: str) -> None:
        """Raise DeviceError where Paddle would only warn, and compute in float32."""
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            try:
                with self._cast():
                    pass
            except ValueError as error:
                raise DeviceError(f"AMP: {' '.join(str(error).split())}") from error
        if said:
            raise DeviceError(
                f"AMP.dtype: {self.dtype} can't be used on '{device}'; Paddle says: {said[0].message} "
                "Use the other type, or -o AMP.use_amp=False"
            )

    def prepare(self, model: nn.Layer, optimizer: Optional[Any]) -> None:
        """Change the model, and the optimizer of a training run, to the weights' type."""
        self.operators = getattr(model, "operators", STOCK)
        if self.operators is not STOCK or not self.amp.use_amp:  # oneDNN's types were chosen with them
            return
        if self.on_cpu:
            round_products(model.sublayers(), in_evaluation=self.amp.use_fp16_test)
        elif self.amp.level == "O2":
            optimizers = None if optimizer is None else list(parts_of(optimizer))
            paddle.amp.decorate(models=model, optimizers=optimizers, level="O2", dtype=self.dtype)

    def is_low(self, *, training: bool) -> bool:
        """Return whether a forward pass is to be in the low type: an evaluation only in O2 or if `use_fp16_test`."""
        return self.amp.use_amp and (training or self.amp.use_fp16_test or self.amp.level == "O2")

    def autocast(self, *, training: bool = True) -> contextlib.AbstractContextManager[Any]:
        """Return the context of a forward pass."""
        return contextlib.nullcontext() if self.on_cpu or not self.is_low(training=training) else self._cast()

    def _cast(self) -> contextlib.AbstractContextManager[Any]:
        context: contextlib.AbstractContextManager[Any] = paddle.amp.auto_cast(
            custom_white_list=set(self.amp.custom_white_list),
            custom_black_list=set(self.amp.custom_black_list),
            level=self.amp.level,
            dtype=self.dtype,
            use_promote=self.amp.use_promote,
        )
        return context

    def numbers(self, *, training: bool) -> str:
        """Return what a forward pass computes in, in words."""
        low = self.is_low(training=training)
        if self.operators is not STOCK:
            if low and self.operators.bfloat16:
                return "bfloat16 by oneDNN"
            return "float32 by oneDNN" + (f" (AMP has no effect: {environment.bfloat16_obstacle()})" if low else "")
        if low and self.on_cpu:
            return "bfloat16 rounding, float32 arithmetic (Paddle has no bfloat16 operators on the CPU)"
        return f"{self.dtype}, level {self.amp.level}" if low else "float32"

    def __str__(self) -> str:
        return self.numbers(training=True)


class LossScaler(GradScaler):
    """Counts the updates that it skipped because their gradients overflowed."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.skipped = paddle.zeros([1], "int64")
        self.num_in_a_row = 0  # updates that overflowed, the last one included

    def step(self, optimizer: Any) -> None:
        super().step(optimizer)
        if self.is_enable():
            self.skipped += self.overflow().astype("int64")  # on the device: nobody waits for it
            self.num_in_a_row = self.num_in_a_row + 1 if self.overflowed() else 0

    def num_skipped(self) -> int:
        """Return the number of updates skipped in the whole run; waits for the device."""
        return int(self.skipped.item())

    def state_dict(self) -> dict[str, Any]:
        state: dict[str, Any] = super().state_dict()
        return {**state, "skipped": self.num_skipped(), "num_in_a_row": self.num_in_a_row} if state else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self.skipped.fill_(state_dict["skipped"])
        self.num_in_a_row = state_dict.get("num_in_a_row", 0)  # earlier versions did not count them


class _RoundedConv2D(nn.Conv2D):
    in_evaluation: bool

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        if not (self.training or self.in_evaluation):
            return super().forward(x)
        y = F.conv2d(_rounded(x), _rounded(self.weight), self.bias, **convolving(self)._asdict())
        return _rounded(y)


class _RoundedLinear(nn.Linear):
    in_evaluation: bool

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        if not (self.training or self.in_evaluation):
            return super().forward(x)
        return _rounded(F.linear(_rounded(x), _rounded(self.weight), self.bias))


class _RoundedConvHead(ConvHead):
    in_evaluation: bool

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        if not (self.training or self.in_evaluation):
            return super().forward(x)
        return _rounded(self.product(_rounded(x), _rounded(self.weight)))


# The first that a layer is one of.
ROUNDED = ((nn.Conv2D, _RoundedConv2D), (ConvHead, _RoundedConvHead), (nn.Linear, _RoundedLinear))


def _rounded(x: paddle.Tensor) -> paddle.Tensor:
    return x.astype("bfloat16").astype("float32")


def round_products(layers: Iterable[nn.Layer], *, in_evaluation: bool) -> None:
    """Round operands, results and gradients of convolutions and linear layers to bfloat16 in training.

    This gives a CPU the numbers of bfloat16, not its speed: the arithmetic itself stays in float32.
    """
    for layer in layers:
        rounded = next((rounded for kind, rounded in ROUNDED if isinstance(layer, kind)), None)
        if rounded is not None:
            # In place, as the optimizer holds the parameters; and not by a new `forward`, which to_static passes over.
            layer.__class__ = rounded
            layer.in_evaluation = in_evaluation
