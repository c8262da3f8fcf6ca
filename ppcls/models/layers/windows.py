"""Windows of images whose channels come last."""

from typing import Any, Optional

import paddle
import paddle.nn.functional as F
from paddle import nn


def pad_to_multiples(x_NHWC: paddle.Tensor, height: int, width: int) -> paddle.Tensor:
    """Add zeros below and on the right, so that the image has multiples of `height` and `width`."""
    below, right = -x_NHWC.shape[1] % height, -x_NHWC.shape[2] % width
    return F.pad(x_NHWC, [0, 0, 0, below, 0, right, 0, 0]) if below or right else x_NHWC


def split_windows(x_NHWC: paddle.Tensor, height: int, width: int) -> paddle.Tensor:
    """Return the windows of images, row by row, as tokens [N * windows, height * width, C]."""
    _, image_height, image_width, channels = x_NHWC.shape
    x = x_NHWC.reshape([-1, image_height // height, height, image_width // width, width, channels])
    return x.transpose([0, 1, 3, 2, 4, 5]).reshape([-1, height * width, channels])


def join_windows(
    tokens: paddle.Tensor, height: int, width: int, *, image_height: int, image_width: int
) -> paddle.Tensor:
    """Return the images [N, H, W, C] whose windows `split_windows` gave."""
    channels = tokens.shape[-1]
    x = tokens.reshape([-1, image_height // height, image_width // width, height, width, channels])
    return x.transpose([0, 1, 3, 2, 4, 5]).reshape([-1, image_height, image_width, channels])


def attend_in_windows(
    attention: nn.Layer, x_NHWC: paddle.Tensor, window: int, mask: Optional[paddle.Tensor] = None, *, shift: int = 0
) -> Any:
    """Return the attention within square windows of images, which are moved up and left by `shift` pixels before."""
    _, height, width, _ = x_NHWC.shape
    x = pad_to_multiples(x_NHWC, window, window)
    _, padded_height, padded_width, _ = x.shape
    x = paddle.roll(x, [-shift, -shift], axis=[1, 2]) if shift else x
    tokens = attention(split_windows(x, window, window), mask)
    x = join_windows(tokens, window, window, image_height=padded_height, image_width=padded_width)
    x = paddle.roll(x, [shift, shift], axis=[1, 2]) if shift else x
    return x[:, :height, :width]
