"""The memory that a training takes, known before it starts."""

from dataclasses import dataclass
from math import prod
from typing import NamedTuple

import paddle
from paddle import nn
from paddle.autograd import saved_tensors_hooks

from ppcls.errors import ConfigError
from ppcls.models import ARCHITECTURES

GIB = 2**30
# Python, Paddle and the libraries of either.
PROCESS_BYTES = GIB // 2
# Of the weights: with their gradients and velocities, the copies that a checkpoint is written from, and the models that
# are evaluated, exported and reported on in the end.
MOST_COPIES = 10
# Of what a forward pass keeps: with the gradients on their way back, and the room that operators work in.
BACKWARD = 1.2
# Of the memory that is free; the rest is for the processes that read images, and for others.
SHARE = 0.8
# Kept of an image, for each of its pixels: well above the most found, 12 KiB (CLIP_vit_large_patch14_336).
MOST_BYTES_PER_PIXEL = 20 * 1024


@dataclass(frozen=True)
class Need:
    """The most that a training with Momentum in float32 takes, by what was measured (docs/quickstart.md)."""

    weights_bytes: int
    image_bytes: int  # what the forward pass keeps of an image for the backward pass

    def of(self, batch_size: int) -> int:
        """Return the bytes that so many images at a time take."""
        return PROCESS_BYTES + MOST_COPIES * self.weights_bytes + int(BACKWARD * batch_size * self.image_bytes)


class Batches(NamedTuple):
    """So many images at a time, so many times per update; and what there is to say of their memory, if anything."""

    size: int
    per_update: int = 1
    why: str = ""


def fit(model: str, size_px: int, batch_size: int, free_bytes: int, *, least: int) -> Batches:
    """Return batches of `batch_size` or, where they don't fit, several of the largest power of two that does.

    Raises: ConfigError if `least` images at a time don't fit.
    """
    room = int(SHARE * free_bytes)
    with paddle.LazyGuard():  # takes no memory
        network = ARCHITECTURES.load(model)(class_num=2)
    weights_bytes = 4 * sum(prod(parameter.shape) for parameter in network.parameters())
    if Need(weights_bytes, MOST_BYTES_PER_PIXEL * size_px**2).of(batch_size) <= room:
        return Batches(batch_size)
    fits_at_all = Need(weights_bytes, 0).of(least) <= room  # else the weights are not even made
    need = Need(weights_bytes, kept_bytes(network, size_px) if fits_at_all else 0)
    if need.of(batch_size) <= room:
        return Batches(batch_size, 1, f"up to {_gib(need.of(batch_size))} of memory")
    size = least
    while need.of(2 * size) <= room:
        size *= 2
    if need.of(size) > room:
        raise ConfigError(
            f"model: {model} at {size_px} px takes {_gib(need.of(least))} to train on, {least} at a time; {_gib(room)} "
            f"of {_gib(free_bytes)} may be taken; choose a smaller --model, or a smaller --size if the model has one"
        )
    per_update = round(batch_size / size)
    would = f"{batch_size} would take up to {_gib(need.of(batch_size))} of {_gib(free_bytes)}"
    return Batches(size, per_update, f"{size} images at a time, {per_update} times per update: {would}")


def kept_bytes(network: nn.Layer, size_px: int) -> int:
    """Return what a forward pass of one image keeps for the backward pass, but for the weights.

    The network was made under LazyGuard; it gets its weights here.
    """
    for parameter in network.parameters():
        parameter.initialize()
    weights = {parameter.data_ptr() for parameter in network.parameters()}
    kept: dict[int, paddle.Tensor] = {}

    def keep(tensor: paddle.Tensor) -> paddle.Tensor:
        kept[tensor.data_ptr()] = tensor
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        network(paddle.zeros([1, 3, size_px, size_px]))
    return sum(t.element_size() * prod(t.shape) for pointer, t in kept.items() if pointer not in weights)


def _gib(size: float) -> str:
    return f"{size / GIB:.1f} GiB"
