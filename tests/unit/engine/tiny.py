"""A model of a few hundred parameters, for tests of what happens around a model."""

from collections.abc import Sequence
from typing import Literal, Union

import paddle
from paddle import nn

from ppcls.models.layers import Dropout, Head


class Tiny(nn.Layer):
    """A convolution, with a batch norm unless `norm: none`, an average, dropout if wanted, and a head."""

    def __init__(
        self,
        *,
        class_num: int = 1000,
        norm: Literal["batch", "none"] = "batch",
        dropout: Union[float, Sequence[float]] = 0.0,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2D(3, 8, 3, stride=2)
        self.norm = nn.BatchNorm2D(8) if norm == "batch" else nn.Identity()
        self.dropout = Dropout(dropout) if dropout else nn.Identity()
        self.fc = Head(8, class_num)

    def forward(self, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        features_NC = nn.functional.relu(self.norm(self.conv(images_NCHW))).mean(axis=[2, 3])
        return self.fc(self.dropout(features_NC))


class Branched(Tiny):
    """One that also gives its features."""

    def forward(self, images_NCHW: paddle.Tensor) -> dict[str, paddle.Tensor]:
        logits = super().forward(images_NCHW)
        return {"features": images_NCHW.mean(axis=[2, 3]), "logits": logits}
