"""EfficientNet B0 to B7.

Source: https://arxiv.org/abs/1905.11946, tables 1 and 8, with TensorFlow's "same" padding; B0_small has no
squeeze-and-excitation. Names in the state dict and weights: PaddleClas (Apache-2.0), of the latter some from the
authors' code. `EfficientNetB3_watermark` finds watermarks; its weights are LAION's.
"""

import math
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal, Optional

from paddle import nn

from ppcls.config.parts import key
from ppcls.models.chain import Chain
from ppcls.models.layers import (
    Act,
    ConvNormAct,
    Dropout,
    Flatten,
    GlobalAvgPool,
    Head,
    InvertedResidual,
    Linear,
    SqueezeExcite,
    make_divisible,
)

Padding = Literal["SAME", "DYNAMIC"]

# Number of blocks, kernel size, stride of the first one, how much wider a block is inside, channels that come out.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


@dataclass(frozen=True)
class Overrides:
    """What YAMLs may change."""

    batch_norm_momentum: float = key(0.99, "of the running averages")
    batch_norm_epsilon: float = key(1e-3, "added to variances")
    dropout_rate: Optional[float] = key(None, "before the head; unset: the architecture's")
    drop_connect_rate: float = key(0.2, "of stochastic depth behind the last block, growing from 0 in the first")
    depth_trunc: Literal["ceil", "round"] = key("ceil", "how a multiplied number of blocks becomes a whole one")

    def batch_norm(self) -> dict[str, float]:
        """Return the arguments of the batch norms."""
        return {"momentum": self.batch_norm_momentum, "epsilon": self.batch_norm_epsilon}


class NestedConv(ConvNormAct):
    """ConvNormAct whose convolution is a layer deeper in the state dict.

    `padding_type` SAME depends on the size of the image, DYNAMIC is as in ConvNormAct.
    """

    conv_name = "_conv"
    norm_name = "_bn"

    def __init__(self, *sizes: int, padding_type: Padding, **options: Any) -> None:
        super().__init__(*sizes, padding="SAME" if padding_type == "SAME" else None, **options)
        self.add_sublayer(self.conv_name, nn.Sequential(("_conv", getattr(self, self.conv_name))))

    @property
    def convolution(self) -> nn.Conv2D:
        return getattr(self, self.conv_name)._conv


class NestedSqueezeExcite(SqueezeExcite):
    """SqueezeExcite whose convolutions are a layer deeper in the state dict."""

    conv_names = ("_conv1", "_conv2")

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__(channels, squeezed, act="swish", gate="sigmoid")
        for name in self.conv_names:
            self.add_sublayer(name, nn.Sequential(("_conv", getattr(self, name))))


class Block(InvertedResidual):
    """An inverted residual by PaddleClas's names."""

    part_names = ("_ecn", "_dcn", "_se", "_pcn")


class EfficientNet(Chain):
    """`width` multiplies the channels and `depth` the blocks of the stages; `dropout`: before the head."""

    only_layers = True
    head_name = "_fc"
    # Whether `width` also multiplies the channels of the first and the last convolution.
    scaled_ends: ClassVar[bool] = True

    def __init__(
        self,
        width: float,
        depth: float,
        dropout: float = 0.2,
        *,
        class_num: int = 1000,
        override_params: Overrides = Overrides(),
        padding_type: Padding = "SAME",
        use_se: bool = True,
    ) -> None:
        super().__init__()
        conv = partial(NestedConv, padding_type=padding_type, **override_params.batch_norm())

        def wrapped_conv(*sizes: int, **options: Any) -> nn.Layer:
            return nn.Sequential(("_conv", conv(*sizes, **options)))

        round_depth = math.ceil if override_params.depth_trunc == "ceil" else round
        depths = [max(1, round_depth(depth * number)) for number, *_ in STAGES]
        ends_width = width if self.scaled_ends else 1.0
        channels = make_divisible(32 * ends_width)
        trunk: list[tuple[str, nn.Layer]] = [("_conv_stem", wrapped_conv(3, channels, 3, stride=2, act="swish"))]
        for repeats, (_, kernel_size, stride, expansion, out_width) in zip(depths, STAGES):
            for repeat in range(repeats):
                index = len(trunk) - 1
                hidden, out_channels = expansion * channels, make_divisible(out_width * width)
                block = Block(
                    channels,
                    hidden,
                    out_channels,
                    kernel_size,
                    stride=1 if repeat else stride,
                    act="swish",
                    gate=NestedSqueezeExcite(hidden, max(1, channels // 4)) if use_se else None,
                    widen=expansion > 1,
                    drop_path=override_params.drop_connect_rate * index / sum(depths),
                    conv=wrapped_conv,
                )
                trunk.append((f"block.{index}." if repeat else f"_blocks.{index}.", block))
                channels = out_channels
        self._ef = nn.Sequential(*trunk)
        self.num_features = make_divisible(1280 * ends_width)
        self._conv = conv(channels, self.num_features, 1, act="swish")
        self._pool = GlobalAvgPool()
        stated = override_params.dropout_rate
        self._drop = Dropout(dropout if stated is None else stated)
        self.flatten = Flatten()
        self._add_head(class_num)

    def _add_head(self, class_num: int) -> None:
        self._fc = Head(self.num_features, class_num)


class WatermarkEfficientNet(EfficientNet):
    """An EfficientNet with two more linear layers before the head."""

    head_name = "_fc.5"

    def _add_head(self, class_num: int) -> None:
        layers = (Linear(self.num_features, 625), Act("relu"), Dropout(0.3), Linear(625, 256), Act("relu"))
        self._fc = nn.Sequential(*layers, Head(256, class_num))
        self.num_features = 256


VARIANTS = {
    "EfficientNetB0_small": partial(EfficientNet, 1.0, 1.0, padding_type="DYNAMIC", use_se=False),
    "EfficientNetB0": partial(EfficientNet, 1.0, 1.0),
    "EfficientNetB1": partial(EfficientNet, 1.0, 1.1),
    "EfficientNetB2": partial(EfficientNet, 1.1, 1.2, 0.3),
    "EfficientNetB3": partial(EfficientNet, 1.2, 1.4, 0.3),
    "EfficientNetB4": partial(EfficientNet, 1.4, 1.8, 0.4),
    "EfficientNetB5": partial(EfficientNet, 1.6, 2.2, 0.4),
    "EfficientNetB6": partial(EfficientNet, 1.8, 2.6, 0.5),
    "EfficientNetB7": partial(EfficientNet, 2.0, 3.1, 0.5),
    "EfficientNetB3_watermark": partial(
        WatermarkEfficientNet,
        1.2,
        1.4,
        0.3,
        class_num=2,
        override_params=Overrides(batch_norm_epsilon=1e-5),
        padding_type="DYNAMIC",
    ),
}
