"""What happens to the gradients of all parameters together, between the backward pass and the update."""

from collections.abc import Iterable
from typing import Any, Optional

import paddle

from ppcls.paddle_private import squared_norm


class Gradients:
    """The gradients of the trained ones among `parameters`; nothing here waits for the device.

    `clip_norm` bounds their joint L2 norm. PaddleClas bounds that of each tensor by itself, which turns the direction
    of the update.
    """

    def __init__(self, parameters: Iterable[paddle.Tensor], clip_norm: Optional[float] = None) -> None:
        if clip_norm is not None and clip_norm <= 0:
            raise ValueError(f"clip_norm: not positive; received {clip_norm}; leave it out for no clipping")
        self.parameters = [parameter for parameter in parameters if not parameter.stop_gradient]
        self.clip_norm = clip_norm

    def tensors(self) -> list[paddle.Tensor]:
        """Return the gradients that there are."""
        return [parameter.grad for parameter in self.parameters if parameter.grad is not None]

    @paddle.no_grad()
    def norm(self) -> paddle.Tensor:
        """Return their joint L2 norm as a tensor [], not finite if one of them is not."""
        gradients = self.tensors()
        wide = paddle.float64 if any(gradient.dtype == paddle.float64 for gradient in gradients) else paddle.float32
        # In 16 bits, squares would overflow.
        return paddle.sqrt(paddle.stack([squared_norm(gradient.astype(wide)) for gradient in gradients]).sum())

    @paddle.no_grad()
    def clip(self, norm: paddle.Tensor) -> None:
        """Scale them so that their joint norm, of now `norm`, is at most `clip_norm`."""
        if self.clip_norm is not None:
            most = paddle.full([1], self.clip_norm, norm.dtype)
            self._multiply(most / paddle.maximum(norm, most))

    @paddle.no_grad()
    def divide(self, share: paddle.Tensor) -> None:
        """Divide all of them by a scalar tensor; by 1 nothing changes."""
        self._multiply(1 / share)

    def _multiply(self, factor: Any) -> None:
        for gradient in self.tensors():
            gradient.multiply_(factor.astype(gradient.dtype))
