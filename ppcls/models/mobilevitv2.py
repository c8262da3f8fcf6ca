"""MobileViTV2: attention that costs no more for more patches.

Source: https://arxiv.org/abs/2206.02680, figure 4c and table 6. Names in the state dict and weights: PaddleClas
(Apache-2.0).
"""

from functools import partial
from typing import NamedTuple, Optional

import paddle
import paddle.nn.functional as F
from paddle import nn

from ppcls.models.chain import Chain
from ppcls.models.layers import (
    Act,
    Dropout,
    Flatten,
    GlobalAvgPool,
    Head,
    ImageNorm,
    NormConvNormAct,
    Residual,
    fold_patches,
    make_divisible,
    unfold_patches,
)

PATCH_SIZE = 2

conv = partial(NormConvNormAct, act="silu")


class Plan(NamedTuple):
    """Channels of the stem and the five stages; widths and depths of the attention in the last three.

    `second_depth`: blocks of the second stage; `expansion`: how much wider blocks are inside; `last`: channels of a
    last convolution, if there is one.
    """

    stem: int
    channels: tuple[int, int, int, int, int]
    widths: tuple[int, int, int]
    depths: tuple[int, int, int] = (2, 4, 3)
    second_depth: int = 2
    expansion: int = 2
    last: Optional[int] = None


def scaled_plan(scale: float) -> Plan:
    """Return the plan whose channels are `scale` times those of the paper's model."""
    first, *later = (
        make_divisible(width * scale, divisor) for width, divisor in ((64, 16), (128, 8), (256, 8), (384, 8), (512, 8))
    )
    widths = tuple(make_divisible(width * scale) for width in (128, 192, 256))
    return Plan(make_divisible(max(16, min(64, 32 * scale))), (first, *later), widths)  # type: ignore[arg-type]


class LinearAttention(nn.Layer):
    """The values, each multiplied by the average of all keys by one score of each patch. Source: section 3.2."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.sizes = [1, width, width]
        self.qkv_proj = nn.Conv2D(width, sum(self.sizes), 1)
        self.out_proj = nn.Conv2D(width, width, 1)

    def forward(self, patches: paddle.Tensor) -> paddle.Tensor:
        scores, keys, values = self.qkv_proj(patches).split(self.sizes, axis=1)
        context = (keys * F.softmax(scores, axis=-1)).sum(-1, keepdim=True)
        return self.out_proj(F.relu(values) * context)


class Encoder(nn.Layer):
    """Linear attention and 1x1 convolutions, each on a shortcut's side, normalised before."""

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = 2 * width // 16 * 16
        self.pre_norm_attn = nn.Sequential(ImageNorm(width), LinearAttention(width))
        self.pre_norm_ffn = nn.Sequential(
            ImageNorm(width), nn.Conv2D(width, hidden, 1), Act("silu"), nn.Identity(), nn.Conv2D(hidden, width, 1)
        )

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = x + self.pre_norm_attn(x)
        return x + self.pre_norm_ffn(x)


class MobileViTV2Block(nn.Layer):
    """A depthwise and a 1x1 convolution, attention of patches, and a 1x1 convolution of its result.

    `fusion`: the last convolution also takes what goes into the attention, and a shortcut is around all.
    """

    def __init__(self, channels: int, width: int, depth: int, *, fusion: bool = False) -> None:
        super().__init__()
        pointwise = nn.Sequential(("conv", nn.Conv2D(channels, width, 1, bias_attr=False)))
        self.local_rep = nn.Sequential(conv(channels, channels, 3, groups=channels), pointwise)
        self.global_rep = nn.Sequential(*(Encoder(width) for _ in range(depth)), ImageNorm(width))
        self.conv_proj = NormConvNormAct(2 * width if fusion else width, channels, 1)
        self.fusion = fusion

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        local = self.local_rep(x)
        height, width = x.shape[2:]
        y = fold_patches(self.global_rep(unfold_patches(local, PATCH_SIZE)), PATCH_SIZE, height, width)
        return x + self.conv_proj(paddle.concat([y, local], axis=1)) if self.fusion else self.conv_proj(y)


def _inverted(in_channels: int, out_channels: int, expansion: int, stride: int) -> Residual:
    hidden = make_divisible(in_channels * expansion)
    block = nn.Sequential(
        ("exp_1x1", conv(in_channels, hidden, 1)),
        ("conv_3x3", conv(hidden, hidden, 3, stride=stride, groups=hidden)),
        ("red_1x1", NormConvNormAct(hidden, out_channels, 1)),
    )
    return Residual({"block": block}, shortcut=stride == 1 and in_channels == out_channels)


class MobileViTV2(Chain):
    """The stages of a plan; subclasses have other blocks."""

    head_name = "classifier.fc"

    def __init__(self, plan: Plan, *, class_num: int = 1000) -> None:
        super().__init__()
        self.add_layers(plan, class_num)
        draw_uniform(self)

    def block(self, channels: int, width: int, depth: int) -> nn.Layer:
        """Return the block with attention of one of the later stages."""
        return MobileViTV2Block(channels, width, depth)

    def add_layers(self, plan: Plan, class_num: int, *, dropout: float = 0.0, head_std: Optional[float] = None) -> None:
        """Add all layers; `dropout`: before the head."""
        first, second, *later = plan.channels
        self.conv_1 = conv(3, plan.stem, 3, stride=2)
        self.layer_1 = nn.Sequential(_inverted(plan.stem, first, plan.expansion, 1))
        self.layer_2 = nn.Sequential(
            _inverted(first, second, plan.expansion, 2),
            *(_inverted(second, second, plan.expansion, 1) for _ in range(plan.second_depth - 1)),
        )
        before = second
        for number, (after, width, depth) in enumerate(zip(later, plan.widths, plan.depths), start=3):
            halving = _inverted(before, after, plan.expansion, 2)
            self.add_sublayer(f"layer_{number}", nn.Sequential(halving, self.block(after, width, depth)))
            before = after
        self.conv_1x1_exp = conv(before, plan.last, 1) if plan.last else nn.Identity()
        self.num_features = plan.last or before
        self.classifier = nn.Sequential(
            ("global_pool", nn.Sequential(GlobalAvgPool(), Flatten())),
            ("dropout", Dropout(dropout)),
            ("fc", Head(self.num_features, class_num, std=head_std)),
        )


def draw_uniform(model: nn.Layer) -> None:
    """Draw the weights and biases of convolutions uniformly within 1 / sqrt(fan_in), as torch does."""
    for layer in model.sublayers():
        if isinstance(layer, nn.Conv2D):
            _, within, height, width = layer.weight.shape
            bound = (within * height * width) ** -0.5
            for parameter in layer.parameters():
                nn.initializer.Uniform(-bound, bound)(parameter)


VARIANTS = {
    "MobileViTV2_x0_5": partial(MobileViTV2, scaled_plan(0.5)),
    "MobileViTV2_x0_75": partial(MobileViTV2, scaled_plan(0.75)),
    "MobileViTV2_x1_0": partial(MobileViTV2, scaled_plan(1.0)),
    "MobileViTV2_x1_25": partial(MobileViTV2, scaled_plan(1.25)),
    "MobileViTV2_x1_5": partial(MobileViTV2, scaled_plan(1.5)),
    "MobileViTV2_x1_75": partial(MobileViTV2, scaled_plan(1.75)),
    "MobileViTV2_x2_0": partial(MobileViTV2, scaled_plan(2.0)),
}
