"""What happens to the gradients of all parameters together, between the backward pass and the update."""

from collections.abc import Iterable
from typing import Any, Optional

import paddle

from ppcls.paddle_private import squared_norm


class Gradients:
    """The gradients of the trained ones among `parameters`; nothing here waits for the device.

    `clip_norm` bounds the L2 norm of each one by itself, which turns the direction of the update, as PaddleClas does;
    `clip_global_norm` bounds their joint norm.
    """

    def __init__(
        self,
        parameters: Iterable[paddle.Tensor],
        clip_norm: Optional[float] = None,
        clip_global_norm: Optional[float] = None,
    ) -> None:
        for name, norm in (("clip_norm", clip_norm), ("clip_global_norm", clip_global_norm)):
            if norm is not None and norm <= 0:
                raise ValueError(f"{name}: not positive; received {norm}; omit it for no clipping")
        if clip_norm is not None and clip_global_norm is not None:
            raise ValueError(
                f"clip_norm: received {clip_norm} beside a clip_global_norm of {clip_global_norm}; keep one"
            )
        self.parameters = [parameter for parameter in parameters if not parameter.stop_gradient]
        self.clip_norm, self.clip_global_norm = clip_norm, clip_global_norm

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
        """Scale those that are too long; `norm` is their joint norm as it is now."""
        if self.clip_global_norm is not None:
            self._multiply(_shrinking(norm, self.clip_global_norm))
        if self.clip_norm is not None:
            for gradient in self.tensors():
                own = paddle.sqrt(squared_norm(gradient.astype(norm.dtype)))
                gradient.multiply_(_shrinking(own, self.clip_norm).astype(gradient.dtype))

    @paddle.no_grad()
    def divide(self, share: paddle.Tensor) -> None:
        """Divide all of them by a scalar tensor; by 1 nothing changes."""
        self._multiply(1 / share)

    def _multiply(self, factor: Any) -> None:
        for gradient in self.tensors():
            gradient.multiply_(factor.astype(gradient.dtype))


def _shrinking(norm: paddle.Tensor, most: float) -> paddle.Tensor:
    """Return the factor that makes a norm `most` where it is more, and else 1."""
    bound = paddle.full([1], most, norm.dtype)
    return bound / paddle.maximum(norm, bound)
