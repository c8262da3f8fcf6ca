"""The pixels of patches, so that pixels at the same place of all patches attend to each other.

Source: https://arxiv.org/abs/2110.02178, section 3.1.
"""

import paddle
import paddle.nn.functional as F


def unfold_patches(x_NCHW: paddle.Tensor, size: int) -> paddle.Tensor:
    """Return patches of `size` x `size` pixels, [N, C, pixels, patches]; both go row by row.

    An image that patches don't fill is made larger first (bilinear).
    """
    _, channels, height, width = x_NCHW.shape
    rows, columns = -(-height // size), -(-width // size)
    if (height, width) != (rows * size, columns * size):
        x_NCHW = F.interpolate(x_NCHW, [rows * size, columns * size], mode="bilinear")
    # Not F.pixel_unshuffle, which paddle2onnx does not know.
    x = x_NCHW.reshape([-1, rows, size, columns, size]).transpose([0, 2, 4, 1, 3])
    return x.reshape([-1, channels, size * size, rows * columns])


def fold_patches(patches: paddle.Tensor, size: int, height: int, width: int) -> paddle.Tensor:
    """Return the images [N, C, height, width] whose patches `unfold_patches` gave."""
    channels = patches.shape[1]
    rows, columns = -(-height // size), -(-width // size)
    x = F.pixel_shuffle(patches.reshape([-1, channels * size * size, rows, columns]), size)
    if (height, width) != (rows * size, columns * size):
        x = F.interpolate(x, [height, width], mode="bilinear")
    return x
