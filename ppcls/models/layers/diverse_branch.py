"""Four branches that one convolution can stand in for once they are trained.

Source: https://arxiv.org/abs/2103.13425, figure 2 and section 3.2.
"""

from typing import Optional

import paddle
import paddle.nn.functional as F
from paddle import nn

from ppcls.models.layers.conv import ConvNormAct
from ppcls.models.layers.norm import batch_norm
from ppcls.models.layers.operators import Activation, activate
from ppcls.models.layers.rep import Kernel, fused, identity_kernel, padded, scaled, with_kernel


class DiverseBranchBlock(nn.Layer):
    """A convolution, a 1x1 one, an average of a 1x1 one and a chain of both, each with batch norm, all added up.

    Takes the place of a ConvNormAct of NCHW images with an odd kernel.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        act: Optional[Activation] = None,
    ) -> None:
        super().__init__()
        padding = kernel_size // 2
        self.act = act
        self.dbb_origin = ConvNormAct(in_channels, out_channels, kernel_size, stride=stride)
        self.dbb_avg = nn.Sequential(
            ("conv", nn.Conv2D(in_channels, out_channels, 1, bias_attr=False)),
            ("bn", NormAndPad(out_channels, padding)),
            ("avg", nn.AvgPool2D(kernel_size, stride=stride)),
            ("avgbn", batch_norm(out_channels)),
        )
        self.dbb_1x1 = ConvNormAct(in_channels, out_channels, 1, stride=stride)
        self.dbb_1x1_kxk = nn.Sequential(
            ("idconv1", ConvFromIdentity(in_channels)),
            ("bn1", NormAndPad(in_channels, padding)),
            ("conv2", nn.Conv2D(in_channels, out_channels, kernel_size, stride=stride, bias_attr=False)),
            ("bn2", batch_norm(out_channels)),
        )

    def forward(self, x_NCHW: paddle.Tensor, shortcut: Optional[paddle.Tensor] = None) -> paddle.Tensor:
        """Return the block's result; a `shortcut` of its shape is added before the activation."""
        y = self.dbb_origin(x_NCHW) + self.dbb_1x1(x_NCHW) + self.dbb_avg(x_NCHW) + self.dbb_1x1_kxk(x_NCHW)
        return activate(self.act, y if shortcut is None else y + shortcut)

    def fuse(self) -> "FusedBranches":
        """Return the layer that computes the same in evaluation by one convolution."""
        dense, average, chain = self.dbb_origin.convolution, self.dbb_avg, self.dbb_1x1_kxk
        channels, _, size, _ = dense.weight.shape
        mean = paddle.eye(channels).reshape([channels, channels, 1, 1]).tile([1, 1, size, size]) / size**2
        weight_1x1, bias_1x1 = fused(self.dbb_1x1.convolution, self.dbb_1x1.norm)
        branches = (
            fused(dense, self.dbb_origin.norm),
            (padded(weight_1x1, size), bias_1x1),
            chained(fused(average.conv, average.bn.bn), scaled(mean, average.avgbn)),
            chained(scaled(chain.idconv1.kernel(), chain.bn1.bn), fused(chain.conv2, chain.bn2)),
        )
        weights, biases = zip(*branches)
        return FusedBranches(with_kernel(dense, (sum(weights), sum(biases))), self.act)


class FusedBranches(nn.Layer):
    """A deployed DiverseBranchBlock."""

    def __init__(self, conv: nn.Conv2D, act: Optional[Activation]) -> None:
        super().__init__()
        self.dbb_reparam, self.act = conv, act

    def forward(self, x_NCHW: paddle.Tensor, shortcut: Optional[paddle.Tensor] = None) -> paddle.Tensor:
        y = self.dbb_reparam(x_NCHW)
        return activate(self.act, y if shortcut is None else y + shortcut)


class NormAndPad(nn.Layer):
    """Batch norm, and around it what it makes of zeros: so is the padding that of an input before it."""

    def __init__(self, num_channels: int, padding: int) -> None:
        super().__init__()
        self.bn = batch_norm(num_channels, momentum=0.1)
        self.padding = padding

    def forward(self, x_NCHW: paddle.Tensor) -> paddle.Tensor:
        y = self.bn(x_NCHW)
        of_zero = self.bn.bias - self.bn.weight * self.bn._mean / (self.bn._variance + self.bn._epsilon).sqrt()
        of_zero = of_zero.reshape([1, -1, 1, 1])
        return F.pad(y - of_zero, 4 * [self.padding]) + of_zero


class ConvFromIdentity(nn.Layer):
    """A 1x1 convolution whose weight is what it does besides passing its input through; nothing at first."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = self.create_parameter(
            [channels, channels, 1, 1], default_initializer=nn.initializer.Constant(0.0)
        )

    def kernel(self) -> paddle.Tensor:
        """Return the weight of the equal convolution."""
        return self.weight + identity_kernel(self.weight.shape[0], 1, 1)

    def forward(self, x_NCHW: paddle.Tensor) -> paddle.Tensor:
        return F.conv2d(x_NCHW, self.kernel())


def chained(first: Kernel, second: Kernel) -> Kernel:
    """Return the kernel of a 1x1 convolution and the one after it."""
    (weight_1x1, bias_1x1), (weight, bias) = first, second
    merged = F.conv2d(weight, weight_1x1.transpose([1, 0, 2, 3]))
    return merged, bias + (weight * bias_1x1.reshape([1, -1, 1, 1])).sum([1, 2, 3])
