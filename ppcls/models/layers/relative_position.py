"""Attention with a bias for the offset of each pair of tokens.

Source: https://arxiv.org/abs/2103.14030, section 3.2.
"""

from typing import Any, Optional

import numpy as np
import paddle
from numpy.typing import NDArray
from paddle import nn

from ppcls.models.layers.attention import Attention


def relative_positions(height: int, width: int) -> NDArray[np.int64]:
    """Return a number for the offset of each two pixels, int64 [height * width, height * width].

    Numbers go from 0 to (2 * height - 1) * (2 * width - 1) - 1, first by the vertical offset.
    """
    y, x = (axis.flatten() for axis in np.indices((height, width)))
    offset_y = y[:, None] - y + height - 1
    offset_x = x[:, None] - x + width - 1
    return np.asarray(offset_y * (2 * width - 1) + offset_x, "int64")


def relative_positions_with_class_token(height: int, width: int) -> NDArray[np.int64]:
    """Return `relative_positions` after a first row and column, of the class token, with three numbers of their own."""
    num_offsets = (2 * height - 1) * (2 * width - 1)
    index = np.pad(relative_positions(height, width), ((1, 0), (1, 0)))
    index[0, :], index[:, 0], index[0, 0] = num_offsets, num_offsets + 1, num_offsets + 2
    return index


class RelativeAttention(Attention):
    """Attention whose scores have a learned bias for each head and each number of `index` [L, L]."""

    def __init__(self, width: int, num_heads: int, index: NDArray[np.int64], **options: Any) -> None:
        super().__init__(width, num_heads, **options)
        zero = nn.initializer.Constant(0.0)
        self.relative_position_bias_table = self.create_parameter(
            [int(index.max()) + 1, num_heads], default_initializer=zero
        )
        self.register_buffer("relative_position_index", paddle.to_tensor(index))

    def bias(self, mask: Optional[paddle.Tensor]) -> paddle.Tensor:
        length = self.relative_position_index.shape[0]
        bias = self.relative_position_bias_table[self.relative_position_index.flatten()]
        bias = bias.reshape([length, length, self.num_heads]).transpose([2, 0, 1])
        return bias if mask is None else bias + mask.astype(bias.dtype)
