"""Weights of a first convolution, for images of another number of channels."""

import logging
from collections.abc import Mapping

import numpy as np
import paddle

from ppcls.models.weight_files import Arrays

logger = logging.getLogger("ppcls")


def fit_channels(state: Mapping[str, paddle.Tensor], arrays: Arrays, *, where: str) -> Arrays:
    """Return `arrays` with the first convolution's weights, [out, 3, h, w], for the channels that the model takes.

    One channel gets the sum of the three, so that grey images give what they gave as colour ones. More channels get
    those of red, green and blue in turn, scaled to keep the size of the results. The log says so.
    """
    name = next((name for name, tensor in state.items() if tensor.ndim == 4), None)
    if name is None or name not in arrays or arrays[name].ndim != 4:
        return arrays
    weight, channels = arrays[name], state[name].shape[1]
    if weight.shape[1] != 3 or channels == 3:
        return arrays
    logger.warning(f"{where}: {name} is for 3 channels, and made to fit {channels}")
    if channels == 1:
        return {**arrays, name: weight.sum(axis=1, keepdims=True)}
    return {**arrays, name: weight[:, np.arange(channels) % 3] * np.float32(3 / channels)}
