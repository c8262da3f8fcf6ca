"""VAN: attention by large, decomposed convolutions.

Source: https://arxiv.org/abs/2202.09741, section 3 and table 2. Names in the state dict and weights: PaddleClas
(Apache-2.0), whose weights are converted from the authors' (Apache-2.0).
"""

from functools import partial

import paddle
from paddle import nn

from ppcls.models.layers import (
    BatchNorm,
    DropPath,
    Head,
    LayerNorm2D,
    activate,
    draw_by_fan_out,
    draw_linears,
    drop_rates,
)
from ppcls.models.model import Model

MLP_RATIOS = (8, 8, 4, 4)
LAYER_SCALE = 0.01
Four = tuple[int, int, int, int]


class LargeKernel(nn.Layer):
    """Gates from 21 x 21 pixels: a depthwise, a dilated depthwise and a 1x1 convolution (section 3.1)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv0 = nn.Conv2D(width, width, 5, padding=2, groups=width)
        self.conv_spatial = nn.Conv2D(width, width, 7, padding=9, groups=width, dilation=3)
        self.conv1 = nn.Conv2D(width, width, 1)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return x * self.conv1(self.conv_spatial(self.conv0(x)))


class Attention(nn.Layer):
    """The gates between two 1x1 convolutions, and a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj_1 = nn.Conv2D(width, width, 1)
        self.spatial_gating_unit = LargeKernel(width)
        self.proj_2 = nn.Conv2D(width, width, 1)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return x + self.proj_2(self.spatial_gating_unit(activate("gelu", self.proj_1(x))))


class Depthwise(nn.Layer):
    """A depthwise 3x3 convolution."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2D(width, width, 3, padding=1, groups=width)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.dwconv(x)


class ConvMlp(nn.Layer):
    """An MLP over channels with a depthwise convolution before its activation."""

    def __init__(self, width: int, hidden: int, *, dropout: float) -> None:
        super().__init__()
        self.fc1 = nn.Conv2D(width, hidden, 1)
        self.dwconv = Depthwise(hidden)
        self.fc2 = nn.Conv2D(hidden, width, 1)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.drop(self.fc2(self.drop(activate("gelu", self.dwconv(self.fc1(x))))))


class Block(nn.Layer):
    """Attention and an MLP, each normalised before, scaled by channel and added to its input."""

    def __init__(self, width: int, mlp_ratio: int, *, dropout: float, drop_path: float) -> None:
        super().__init__()
        self.norm1, self.norm2 = BatchNorm(width), BatchNorm(width)
        self.attn = Attention(width)
        self.mlp = ConvMlp(width, width * mlp_ratio, dropout=dropout)
        self.drop_path = DropPath(drop_path)
        initial = nn.initializer.Constant(LAYER_SCALE)
        self.layer_scale_1 = self.create_parameter([width, 1, 1], default_initializer=initial)
        self.layer_scale_2 = self.create_parameter([width, 1, 1], default_initializer=initial)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = x + self.drop_path(self.layer_scale_1 * self.attn(self.norm1(x)))
        return x + self.drop_path(self.layer_scale_2 * self.mlp(self.norm2(x)))


class PatchEmbed(nn.Layer):
    """A strided convolution and its norm."""

    def __init__(self, in_channels: int, width: int, kernel_size: int, stride: int) -> None:
        super().__init__()
        self.proj = nn.Conv2D(in_channels, width, kernel_size, stride=stride, padding=kernel_size // 2)
        self.norm = BatchNorm(width)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.norm(self.proj(x))


class VAN(Model):
    """Images [N, 3, H, W] -> logits [N, class_num]."""

    head_name = "head"

    def __init__(
        self,
        widths: Four,
        depths: Four,
        *,
        class_num: int = 1000,
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
    ) -> None:
        super().__init__()
        rates = iter(drop_rates(drop_path_rate, sum(depths)))
        in_channels = 3
        for stage, (width, depth, mlp_ratio) in enumerate(zip(widths, depths, MLP_RATIOS), start=1):
            size, stride = (7, 4) if stage == 1 else (3, 2)
            blocks = (Block(width, mlp_ratio, dropout=drop_rate, drop_path=next(rates)) for _ in range(depth))
            self.add_sublayer(f"patch_embed{stage}", PatchEmbed(in_channels, width, size, stride))
            self.add_sublayer(f"block{stage}", nn.Sequential(*blocks))
            self.add_sublayer(f"norm{stage}", LayerNorm2D(width, epsilon=1e-6))
            in_channels = width
        self.num_features = in_channels
        self.head = Head(in_channels, class_num, std=0.02)
        draw_linears(self)
        draw_by_fan_out(self, of_each_group=True)

    def features(self, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        x = images_NCHW
        for stage in range(1, 5):
            for part in ("patch_embed", "block", "norm"):
                x = getattr(self, f"{part}{stage}")(x)
        return x.mean([2, 3])


LARGE = (64, 128, 320, 512)
VARIANTS = {
    "VAN_B0": partial(VAN, (32, 64, 160, 256), (3, 3, 5, 2)),
    "VAN_B1": partial(VAN, LARGE, (2, 2, 4, 2)),
    "VAN_B2": partial(VAN, LARGE, (3, 3, 12, 3)),
    "VAN_B3": partial(VAN, LARGE, (3, 5, 27, 3)),
}
