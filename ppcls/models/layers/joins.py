"""Where paths part and join; what is called with more than one tensor says with which."""

from typing import Optional

from paddle import nn

from ppcls.models.layers.operators import Activation, DataFormat, Operation


class Branch(Operation, nn.Layer):
    """One tensor for two uses."""

    operation = "branch"


class Add(Operation, nn.Layer):
    """The sum of two tensors `x` and `y` of one shape, after an activation if there is one."""

    operation = "add"

    def __init__(self, act: Optional[Activation] = None) -> None:
        super().__init__()
        self.act = act


class Concat(Operation, nn.Layer):
    """The channels of several images, a sequence of tensors, side by side."""

    operation = "concat"


class Halves(Operation, nn.Layer):
    """The first and the second half of the channels."""

    operation = "halves"


class Interleave(Operation, nn.Layer):
    """A channel of each of several images, a sequence of tensors, in turn: the channel shuffle of their concatenation.

    Source: https://arxiv.org/abs/1707.01083, figure 1.
    """

    operation = "interleave"


class Gate(Operation, nn.Layer):
    """Each channel of images `x` multiplied by its number in `gates`, [N, C] or with dimensions of 1 for the pixels."""

    operation = "gate"

    def __init__(self, data_format: DataFormat = "NCHW") -> None:
        super().__init__()
        self.data_format = data_format


class Flatten(Operation, nn.Layer):
    """The values of each sample as a vector, in the order channels, height, width."""

    operation = "flatten"


class Scale(Operation, nn.Layer):
    """The last axis of tokens `x` multiplied by `factors`, [C]."""

    operation = "scale"


class ChannelsLast(Operation, nn.Layer):
    """Images [N, H, W, C] of images in the layout of the model's layers."""

    operation = "channels_last"


class ModelLayout(Operation, nn.Layer):
    """Images in the layout of the model's layers of images [N, H, W, C]."""

    operation = "model_layout"
