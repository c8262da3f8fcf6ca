"""Windows of images whose channels come last."""

import paddle
import paddle.nn.functional as F


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
