"""Windows of images whose channels come last."""

from typing import Any, Optional

import paddle
import paddle.nn.functional as F
from paddle import nn

from ppcls.models.layers.operators import Operation


def pad_to_multiples(x_NHWC: paddle.Tensor, height: int, width: int) -> paddle.Tensor:
    """Add zeros below and on the right, so that the image has multiples of `height` and `width`."""
    for axis, multiple in ((1, height), (2, width)):
        missing = -x_NHWC.shape[axis] % multiple
        if missing:  # not by F.pad: Paddle Inference's oneDNN writes beyond its result where channels come last
            edge = paddle.zeros_like(x_NHWC[:, :1] if axis == 1 else x_NHWC[:, :, :1])
            x_NHWC = paddle.concat([x_NHWC, *missing * [edge]], axis=axis)
    return x_NHWC


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


class Windows(Operation, nn.Layer):
    """Windows of images [N, H, W, C], which are moved up and left by `shift` pixels before.

    They are square, or `size` rows of `width` pixels.
    """

    operation = "windows"

    def __init__(self, size: int, shift: int = 0, *, width: Optional[int] = None) -> None:
        super().__init__()
        self.size, self.width, self.shift = size, width or size, shift

    def by_parts(self, x_NHWC: paddle.Tensor) -> paddle.Tensor:
        """Return the windows' tokens, [N * windows, size * width, C]."""
        x = paddle.roll(x_NHWC, [-self.shift, -self.shift], axis=[1, 2]) if self.shift else x_NHWC
        return split_windows(x, self.size, self.width)

    def join(self, tokens: paddle.Tensor, height: int, width: int) -> Any:
        """Return the images [N, height, width, C] that the windows' tokens are of."""
        return self.operators.join_windows(self, tokens, height, width)

    def join_by_parts(self, tokens: paddle.Tensor, height: int, width: int) -> paddle.Tensor:
        """Return them, computed by a transposition."""
        x = join_windows(tokens, self.size, self.width, image_height=height, image_width=width)
        return paddle.roll(x, [self.shift, self.shift], axis=[1, 2]) if self.shift else x


def attend_in_windows(
    attention: nn.Layer, x_NHWC: paddle.Tensor, windows: Windows, mask: Optional[paddle.Tensor] = None
) -> Any:
    """Return the attention within windows of images, which get zeros below and on the right where they need them."""
    _, height, width, _ = x_NHWC.shape
    x = pad_to_multiples(x_NHWC, windows.size, windows.size)
    _, padded_height, padded_width, _ = x.shape
    x = windows.join(attention(windows(x), mask), padded_height, padded_width)
    return x if (height, width) == (padded_height, padded_width) else x[:, :height, :width]
