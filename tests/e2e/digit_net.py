"""A network that learns the digits in seconds."""

from paddle import nn

from ppcls.models.layers import Head


class DigitNet(nn.Sequential):
    """Four convolutions with batch norms, an average and a head: images [N, 3, 16, 16] to logits [N, class_num]."""

    def __init__(self, *, class_num: int = 10) -> None:
        layers: list[nn.Layer] = []
        channels = 3
        for width, stride in ((16, 1), (32, 2), (64, 2), (64, 1)):
            conv = nn.Conv2D(channels, width, 3, stride=stride, padding=1, bias_attr=False)
            layers += [conv, nn.BatchNorm2D(width), nn.ReLU()]
            channels = width
        super().__init__(*layers, nn.AdaptiveAvgPool2D(1), nn.Flatten(), Head(channels, class_num))
