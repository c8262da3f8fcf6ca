"""ResNet50 for retrieval: with a larger last stage, a maximum at the end, or norms that generalise to other domains.

Source: the larger stage, https://arxiv.org/abs/1711.09349, section 3.2; MetaBIN, https://arxiv.org/abs/2011.14670,
section 3.1, without its episodes of training. Names in the state dict and weights: PaddleClas (Apache-2.0).
"""

from functools import partial
from typing import Any

import paddle
from paddle import nn

from ppcls.config.groups import Group
from ppcls.models.layers import BatchNorm, ConvNormAct, GlobalMaxPool
from ppcls.models.resnet import Bottleneck, ResNet

DEPTHS = (3, 4, 6, 3)
LARGER_LAST_STAGE = (2, 2, 2, 2, 1)


class MaxPooledResNet(ResNet):
    """A ResNet that ends in the largest value of each channel."""

    pool = GlobalMaxPool


class Gate(nn.Layer):
    """A learned share for each channel, 1 at first."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.gate = self.create_parameter([num_channels], default_initializer=nn.initializer.Constant(1.0))

    def forward(self) -> paddle.Tensor:
        return self.gate.reshape([1, -1, 1, 1])


class BatchInstanceNorm(nn.Layer):
    """Batch norm and, for what the gates leave, instance norm of NCHW images."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.batch_norm = BatchNorm(num_channels)
        self.instance_norm = nn.InstanceNorm2D(num_channels)
        self.gate = Gate(num_channels)

    def forward(self, x_NCHW: paddle.Tensor) -> paddle.Tensor:
        share = self.gate()
        x_NCHW.stop_gradient = not self.training  # Paddle's instance norm needs its input's, even after frozen weights
        return share * self.batch_norm(x_NCHW) + (1 - share) * self.instance_norm(x_NCHW)


class GatedConvNormAct(ConvNormAct):
    """ConvNormAct with both norms."""

    def __init__(self, in_channels: int, out_channels: int, *sizes: int, **options: Any) -> None:
        super().__init__(in_channels, out_channels, *sizes, **options)
        self.add_sublayer(self.norm_name, BatchInstanceNorm(out_channels))


class MetaBinResNet(ResNet):
    """A ResNet50 with both norms; biases and gates learn at rates of their own."""

    conv = GatedConvNormAct

    def __init__(self, *, class_num: int = 1000, bias_lr_factor: float = 1.0, gate_lr_factor: float = 1.0) -> None:
        super().__init__(Bottleneck, DEPTHS, class_num=class_num, stride_list=LARGER_LAST_STAGE)
        self.param_groups = (
            Group(r"\.bias$", lr_factor=bias_lr_factor),
            Group(r"\.gate$", lr_factor=gate_lr_factor),
        )


VARIANTS = {
    "ResNet50_last_stage_stride1": partial(ResNet, Bottleneck, DEPTHS, stride_list=LARGER_LAST_STAGE),
    "ResNet50_adaptive_max_pool2d": partial(MaxPooledResNet, Bottleneck, DEPTHS),
    "ResNet50_metabin": MetaBinResNet,
}
