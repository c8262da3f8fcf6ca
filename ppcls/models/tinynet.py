"""TinyNet: EfficientNet made smaller by another rule of resolution, depth and width.

Source: https://arxiv.org/abs/2010.14819, table 6. Names in the state dict and weights: PaddleClas (Apache-2.0).
"""

from functools import partial

from ppcls.models.efficientnet import EfficientNet


class TinyNet(EfficientNet):
    """EfficientNet whose first and last convolutions are as wide in all sizes."""

    scaled_ends = False


VARIANTS = {
    "TinyNet_E": partial(TinyNet, 0.51, 0.6, padding_type="DYNAMIC"),
    "TinyNet_D": partial(TinyNet, 0.54, 0.695, padding_type="DYNAMIC"),
    "TinyNet_C": partial(TinyNet, 0.54, 0.85, padding_type="DYNAMIC"),
    "TinyNet_B": partial(TinyNet, 0.75, 1.1, padding_type="DYNAMIC"),
    "TinyNet_A": partial(TinyNet, 1.0, 1.2, padding_type="DYNAMIC"),
}
