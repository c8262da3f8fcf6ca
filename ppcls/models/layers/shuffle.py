"""Channel shuffle. Source: https://arxiv.org/abs/1707.01083, figure 1."""

import paddle


def channel_shuffle(x_NCHW: paddle.Tensor, num_groups: int) -> paddle.Tensor:
    """Interleave the channels of `num_groups` groups: first all first ones, then all second ones."""
    _, channels, height, width = x_NCHW.shape
    groups = x_NCHW.reshape([-1, num_groups, channels // num_groups, height, width])
    return groups.transpose([0, 2, 1, 3, 4]).reshape([-1, channels, height, width])
