"""Res2Net: the 3x3 convolution of a bottleneck as a chain over groups of channels, each group's result into the next.

Source: https://arxiv.org/abs/1904.01169, figure 2b; vd forms: https://arxiv.org/abs/1812.01187, section 4. Names in the
state dict and weights: PaddleClas (Apache-2.0).
"""

from functools import partial

import paddle
from paddle import nn

from ppcls.models.chain import Chain
from ppcls.models.layers import AvgPool, GlobalAvgPool, Head, MaxPool, UnderscoreConvNormAct, activate


class Block(nn.Layer):
    """A bottleneck of `width` channels in `scales` groups; the convolutions within have names that start with `name`.

    A strided block's groups are convolved side by side, and its last one is averaged.
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        out_channels: int,
        *,
        scales: int,
        stride: int,
        pooled: bool,
        projects: bool,
        name: str,
    ) -> None:
        super().__init__()
        self.scales, self.strided = scales, stride > 1
        self.conv0 = UnderscoreConvNormAct(in_channels, width, 1, act="relu")
        self.group_names = [f"{name}_branch2b_{number}" for number in range(1, scales)]
        for group in self.group_names:
            conv = UnderscoreConvNormAct(width // scales, width // scales, 3, stride=stride, act="relu")
            self.add_sublayer(group, conv)
        self.pool2d_avg = AvgPool(3, stride=stride, padding=1) if self.strided else nn.Identity()
        self.conv2 = UnderscoreConvNormAct(width, out_channels, 1)
        self.pool, self.short = nn.Identity(), nn.Identity()
        if pooled:
            self.pool, stride = AvgPool(2, stride=2, ceil_mode=True), 1
        if projects:
            self.short = UnderscoreConvNormAct(in_channels, out_channels, 1, stride=stride)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        *groups, last = self.conv0(x).split(self.scales, axis=1)
        results: list[paddle.Tensor] = []
        for name, group in zip(self.group_names, groups):
            follows = results and not self.strided
            results.append(getattr(self, name)(group + results[-1] if follows else group))
        y = self.conv2(paddle.concat([*results, self.pool2d_avg(last)], axis=1))
        return activate("relu", y + self.short(self.pool(x)))


class Res2Net(Chain):
    """`width`: channels of each of the `scales` groups of the first stage; each later stage doubles it."""

    head_name = "out"

    def __init__(
        self,
        depths: tuple[int, int, int, int],
        width: int,
        scales: int,
        is_vd: bool = False,
        *,
        class_num: int = 1000,
    ) -> None:
        super().__init__()
        conv = partial(UnderscoreConvNormAct, act="relu")
        if is_vd:
            stem = {"conv1_1": conv(3, 32, 3, stride=2), "conv1_2": conv(32, 32, 3), "conv1_3": conv(32, 64, 3)}
        else:
            stem = {"conv1": conv(3, 64, 7, stride=2)}
        for name, layer in stem.items():
            self.add_sublayer(name, layer)
        self.pool2d_max = MaxPool(3, stride=2, padding=1)
        in_channels = 64
        for stage, depth in enumerate(depths):
            for index in range(depth):
                # The weights know the blocks of a long third stage by numbers, all others by letters.
                numbered = stage == 2 and depth > 6 and index > 0
                label = f"b{index}" if numbered else chr(ord("a") + index)
                block = Block(
                    in_channels,
                    width * scales << stage,
                    256 << stage,
                    scales=scales,
                    stride=2 if stage > 0 and index == 0 else 1,
                    pooled=is_vd and stage > 0 and index == 0,
                    projects=index == 0,
                    name=f"res{stage + 2}{label}",
                )
                self.add_sublayer(f"bb_{stage}_{index}", block)
                in_channels = 256 << stage
        self.pool2d_avg = GlobalAvgPool()
        self.flatten = nn.Flatten()
        self.num_features = in_channels
        self.out = Head(in_channels, class_num)


VARIANTS = {
    "Res2Net50_14w_8s": partial(Res2Net, (3, 4, 6, 3), 14, 8),
    "Res2Net50_26w_4s": partial(Res2Net, (3, 4, 6, 3), 26, 4),
    "Res2Net50_vd_26w_4s": partial(Res2Net, (3, 4, 6, 3), 26, 4, True),
    "Res2Net101_vd_26w_4s": partial(Res2Net, (3, 4, 23, 3), 26, 4, True),
    "Res2Net200_vd_26w_4s": partial(Res2Net, (3, 12, 48, 3), 26, 4, True),
}
