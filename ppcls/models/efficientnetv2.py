"""EfficientNetV2: fused blocks in the early stages.

Source: https://arxiv.org/abs/2104.00298, table 4 and figure 2, with TensorFlow's "same" padding. Names in the state
dict and weights: PaddleClas (Apache-2.0).
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple, Optional, Union

from paddle import nn

from ppcls.config.groups import Group
from ppcls.models.chain import Chain
from ppcls.models.efficientnet import NestedSqueezeExcite
from ppcls.models.layers import Act, BatchNorm, Dropout, Flatten, GlobalAvgPool, Head, Residual, draw_by_fan_out


class Stage(NamedTuple):
    """Number of blocks, stride of the first one, how much wider a block is inside, channels that come out.

    `fused`: a 3x3 convolution in place of the widening and the depthwise one, and no squeeze-and-excitation.
    """

    depth: int
    stride: int
    expansion: int
    channels: int
    fused: bool = False


SMALL = (
    Stage(2, 1, 1, 24, fused=True),
    Stage(4, 2, 4, 48, fused=True),
    Stage(4, 2, 4, 64, fused=True),
    Stage(6, 2, 4, 128),
    Stage(9, 1, 6, 160),
    Stage(15, 2, 6, 256),
)

DROPOUT_RATES = (0.1, 1 / 6, 7 / 30, 0.3)

norm = partial(BatchNorm, epsilon=1e-3)


def _conv(in_channels: int, out_channels: int, kernel_size: int = 1, *, stride: int = 1, groups: int = 1) -> nn.Layer:
    """Return a convolution, a layer deeper in the state dict."""
    conv = nn.Conv2D(
        in_channels, out_channels, kernel_size, stride=stride, padding="SAME", groups=groups, bias_attr=False
    )
    return nn.Sequential(("_conv", conv))


class Gate(NestedSqueezeExcite):
    """Squeeze-and-excitation by the names of this family."""

    conv_names = ("_se_reduce", "_se_expand")


def _block(in_channels: int, stage: Stage, stride: int, drop_path: float) -> Residual:
    hidden, channels, act = in_channels * stage.expansion, stage.channels, Act("swish")
    path: dict[str, Optional[nn.Layer]]
    if stage.fused and stage.expansion == 1:
        path = {"_project_conv": _conv(hidden, channels, 3, stride=stride), "_norm1": norm(channels), "_act": act}
    elif stage.fused:
        path = {
            "_expand_conv": _conv(in_channels, hidden, 3, stride=stride),
            "_norm0": norm(hidden),
            "_act": act,
            "_project_conv": _conv(hidden, channels),
            "_norm1": norm(channels),
        }
    else:
        path = {
            "_expand_conv": _conv(in_channels, hidden),
            "_norm0": norm(hidden),
            "_act": act,
            "_depthwise_conv": _conv(hidden, hidden, 3, stride=stride, groups=hidden),
            "_norm1": norm(hidden),
            "_act1": act,
            "_se": Gate(hidden, max(1, in_channels // 4)),
            "_project_conv": _conv(hidden, channels),
            "_norm2": norm(channels),
        }
    return Residual(path, shortcut=stride == 1 and in_channels == channels, drop_path=drop_path)


class EfficientNetV2(Chain):
    """Stochastic depth grows linearly, from 0 in the first block to 0.2 behind the last one.

    `dropout_rate`: one, or those of the four stages of `train_mode: progressive`.
    """

    head_name = "_fc"
    param_groups = (Group(r"_norm\d?\.|^_fc\.bias$", weight_decay=0.0),)

    def __init__(
        self,
        stages: tuple[Stage, ...],
        *,
        class_num: int = 1000,
        dropout_rate: Union[float, Sequence[float]] = DROPOUT_RATES,
    ) -> None:
        super().__init__()
        channels = stages[0].channels
        self._stem = nn.Sequential(
            ("_conv_stem", _conv(3, channels, 3, stride=2)), ("_norm", norm(channels)), ("_act", Act("swish"))
        )
        num_blocks = sum(stage.depth for stage in stages)
        blocks: list[nn.Layer] = []
        for stage in stages:
            for index in range(stage.depth):
                rate = 0.2 * len(blocks) / num_blocks
                blocks.append(_block(channels, stage, 1 if index else stage.stride, rate))
                channels = stage.channels
        self._blocks = nn.Sequential(*blocks)
        self.num_features = 1280
        self._head = nn.Sequential(
            ("_conv_head", nn.Conv2D(channels, self.num_features, 1, bias_attr=False)),
            ("_norm", norm(self.num_features)),
            ("_act", Act("swish")),
            ("_avg_pooling", GlobalAvgPool()),
            ("_dropout", Dropout(dropout_rate)),
        )
        self.flatten = Flatten()
        self._fc = Head(self.num_features, class_num)
        draw_by_fan_out(self, of_each_group=True)


VARIANTS = {"EfficientNetV2_S": partial(EfficientNetV2, SMALL)}
