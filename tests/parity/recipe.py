"""The weights that the reference numbers were computed with."""

import zlib
from typing import Callable

import numpy as np
import paddle


def reference_value(key: str, shape: tuple[int, ...]) -> np.ndarray:
    generator = np.random.default_rng(zlib.crc32(key.encode()))
    if key.endswith("_variance"):
        return generator.uniform(0.5, 1.5, shape).astype("float32")
    if len(shape) < 2:
        offset = 1.0 if key.endswith("weight") else 0.0
        return (offset + 0.1 * generator.standard_normal(shape)).astype("float32")
    fan = np.prod(shape[1:]) if len(shape) > 2 else shape[0]
    return (generator.standard_normal(shape) * np.sqrt(1 / fan)).astype("float32")


def filled(build: Callable[[], paddle.nn.Layer]) -> paddle.nn.Layer:
    """Return the model that is built, with the reference's value in every float32 entry of its state dict."""
    with paddle.LazyGuard():  # whose initial weights nobody needs: they would take as long as the rest
        model = build()
    fill(model)
    return model


def fill(model: paddle.nn.Layer) -> None:
    """Give every float32 entry of the state dict the value that the reference was computed with."""
    for key, entry in model.state_dict().items():
        if entry.dtype == paddle.float32:
            entry.set_value(reference_value(key, tuple(entry.shape)))
