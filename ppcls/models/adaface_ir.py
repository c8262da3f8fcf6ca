"""The improved ResNet (IR) of face recognition, as AdaFace trains it: norms first, PReLU, and a linear embedding.

Source: https://arxiv.org/abs/1801.07698, section 3.2.2 (the network); https://arxiv.org/abs/2204.00964 (AdaFace). Names
in the state dict: PaddleClas (Apache-2.0).
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Optional

import paddle
from paddle import nn

from ppcls.models.layers import Dropout, Head, Linear, MaxPool, SqueezeExcite, batch_norm
from ppcls.models.model import Model

EMBEDDING = 512
SE_REDUCTION = 16
# The factor between the sizes of the images that go in and come out.
HALVED = 16


class Gate(SqueezeExcite):
    conv_names = ("fc1", "fc2")


class Block(nn.Layer):
    """Convolutions of `kernels`, with norms around each and PReLUs between, beside a shortcut; the last is strided."""

    def __init__(
        self, in_channels: int, out_channels: int, inner: int, kernels: Sequence[int], *, stride: int, use_se: bool
    ) -> None:
        super().__init__()
        if in_channels == out_channels:
            self.shortcut_layer = MaxPool(1, stride=stride)
        else:
            self.shortcut_layer = nn.Sequential(conv(in_channels, out_channels, 1, stride), batch_norm(out_channels))
        layers = [batch_norm(in_channels)]
        for index, kernel_size in enumerate(kernels):
            last = index == len(kernels) - 1
            width = out_channels if last else inner
            layers += [conv(in_channels, width, kernel_size, stride if last else 1), batch_norm(width)]
            layers += [] if last else [nn.PReLU(width)]
            in_channels = width
        self.res_layer = nn.Sequential(*layers)
        if use_se:
            gate = Gate(out_channels, out_channels // SE_REDUCTION, gate="sigmoid", bias=False)
            self.res_layer.add_sublayer("se_block", gate)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.res_layer(x) + self.shortcut_layer(x)


def conv(in_channels: int, out_channels: int, kernel_size: int, stride: int) -> nn.Conv2D:
    return nn.Conv2D(in_channels, out_channels, kernel_size, stride=stride, padding=kernel_size // 2, bias_attr=False)


class AdaFaceIR(Model):
    """Images [N, 3, H, W] of `input_size` -> embeddings [N, 512], or with `class_num` the logits of a classifier.

    `bottleneck`: blocks of 1x1, 3x3 and 1x1 convolutions, and four times the channels.
    """

    num_features = EMBEDDING

    def __init__(
        self,
        depths: tuple[int, int, int, int],
        bottleneck: bool = False,
        use_se: bool = False,
        *,
        class_num: Optional[int] = None,
        input_size: Sequence[int] = (112, 112),
    ) -> None:
        if len(input_size) != 2 or any(length < HALVED or length % HALVED for length in input_size):
            raise ValueError(
                f"input_size: must be height and width, multiples of {HALVED}; received {list(input_size)}; "
                "give [112, 112] or [224, 224]"
            )
        super().__init__()
        self.input_layer = nn.Sequential(conv(3, 64, 3, 1), batch_norm(64), nn.PReLU(64))
        self.body = nn.Sequential(*self._blocks(depths, bottleneck, use_se))
        channels = 2048 if bottleneck else 512
        height, width = (length // HALVED for length in input_size)
        initial = paddle.ParamAttr(initializer=nn.initializer.KaimingNormal())
        self.output_layer = nn.Sequential(
            batch_norm(channels),
            Dropout(0.4),
            nn.Flatten(),
            Linear(channels * height * width, EMBEDDING, weight_attr=initial),
            batch_norm(EMBEDDING, affine=False),
        )
        self.fc = nn.Identity() if class_num is None else Head(EMBEDDING, class_num)

    @staticmethod
    def _blocks(depths: Sequence[int], bottleneck: bool, use_se: bool) -> Iterator[Block]:
        in_channels = 64
        for stage, depth in enumerate(depths):
            inner = 64 << stage
            out_channels, kernels = (4 * inner, (1, 3, 1)) if bottleneck else (inner, (3, 3))
            for index in range(depth):
                stride = 1 if index else 2
                yield Block(in_channels, out_channels, inner, kernels, stride=stride, use_se=use_se)
                in_channels = out_channels

    def features(self, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        embeddings: paddle.Tensor = self.output_layer(self.body(self.input_layer(images_NCHW)))
        return embeddings

    def reset_head(self, class_num: int) -> None:
        self.fc = Head(EMBEDDING, class_num)


VARIANTS = {
    "AdaFace_IR_18": partial(AdaFaceIR, (2, 2, 2, 2)),
    "AdaFace_IR_34": partial(AdaFaceIR, (3, 4, 6, 3)),
    "AdaFace_IR_50": partial(AdaFaceIR, (3, 4, 14, 3)),
    "AdaFace_IR_SE_50": partial(AdaFaceIR, (3, 4, 14, 3), False, True),
    "AdaFace_IR_101": partial(AdaFaceIR, (3, 13, 30, 3)),
    "AdaFace_IR_SE_101": partial(AdaFaceIR, (3, 13, 30, 3), False, True),
    "AdaFace_IR_152": partial(AdaFaceIR, (3, 8, 36, 3), True),
    "AdaFace_IR_SE_152": partial(AdaFaceIR, (3, 8, 36, 3), True, True),
    "AdaFace_IR_SE_200": partial(AdaFaceIR, (3, 24, 36, 3), True, True),
}
