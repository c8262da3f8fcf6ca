"""The arithmetic of a model."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import Any

import paddle
from paddle import nn


def count_macs(model: nn.Layer, images_NCHW: paddle.Tensor) -> tuple[int, paddle.Tensor]:
    """Run a forward pass; return the multiply-adds of its convolutions, linear layers and matrix products, and its
    output.

    Counts what Paddle's own operators compute.
    """
    counts: list[int] = []

    def count(layer: nn.Layer, _: Any, output: paddle.Tensor) -> None:
        # Each output element takes one multiply-add for each weight of its channel.
        channels_axis = 0 if isinstance(layer, nn.Conv2D) else 1
        counts.append(prod(output.shape) * prod(layer.weight.shape) // layer.weight.shape[channels_axis])

    layers = [layer for layer in model.sublayers() if isinstance(layer, (nn.Conv2D, nn.Linear))]
    hooks = [layer.register_forward_post_hook(count) for layer in layers]
    with _matmuls_counted(counts):
        output = model(images_NCHW)
    for hook in hooks:
        hook.remove()
    return sum(counts), output


@contextmanager
def _matmuls_counted(counts: list[int]) -> Iterator[None]:
    """Count `paddle.matmul`, which attention calls and which no layer's hook sees."""
    matmul = paddle.matmul

    def counted(x: paddle.Tensor, y: paddle.Tensor, transpose_x: bool = False, transpose_y: bool = False) -> Any:
        product = matmul(x, y, transpose_x, transpose_y)
        counts.append(prod(product.shape) * x.shape[-2 if transpose_x else -1])
        return product

    paddle.matmul = counted
    try:
        yield
    finally:
        paddle.matmul = matmul
