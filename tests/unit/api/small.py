"""A model that trains and exports at once."""

import paddle
from paddle import nn

from ppcls.models.layers import Head
from ppcls.models.model import Model


class Small(Model):
    """Two convolutions."""

    num_features = 16

    def __init__(self, *, class_num: int = 1000) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2D(3, 8, 3, stride=2), nn.BatchNorm2D(8), nn.ReLU(), nn.Conv2D(8, 16, 3, stride=2), nn.ReLU()
        )
        self.fc = Head(16, class_num)

    def features(self, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        return nn.functional.adaptive_avg_pool2d(self.layers(images_NCHW), 1).flatten(1)
