"""A score for how an image pleases, from CLIP's embedding.

Source: https://github.com/LAION-AI/aesthetic-predictor; CLIP, https://arxiv.org/abs/2103.00020. Names in the state
dict and weights: PaddleClas (Apache-2.0), whose weights are converted from LAION's (Apache-2.0).
"""

import paddle
import paddle.nn.functional as F
from paddle import nn

from ppcls.models.foundation_vit import VARIANTS as FOUNDATIONS
from ppcls.models.layers import Dropout, Head, Linear
from ppcls.models.model import Model

EMBEDDING_WIDTH = 768


class Scorer(nn.Layer):
    """Linear layers, without activations between."""

    def __init__(self, width: int, class_num: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            Linear(width, 1024),
            Dropout(0.2),
            Linear(1024, 128),
            Dropout(0.2),
            Linear(128, 64),
            Dropout(0.1),
            Linear(64, 16),
            Head(16, class_num),
        )


class AestheticCLIP(Model):
    """Images [N, 3, H, W] -> scores [N, class_num] of the normalised embedding of the class token."""

    head_name = "mlp.layers.7"
    num_features = 16

    def __init__(self, *, class_num: int = 1) -> None:
        super().__init__()
        self.model = FOUNDATIONS["CLIP_vit_large_patch14_224"]()
        for parameter in self.model.head.parameters():  # there for its weights alone
            parameter.stop_gradient = True
        self.fc_head = Linear(self.model.num_features, EMBEDDING_WIDTH, bias_attr=False)
        self.mlp = Scorer(EMBEDDING_WIDTH, class_num)

    def features(self, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        embedding = self.fc_head(self.model.features(images_NCHW))
        return self.mlp.layers[:-1](F.normalize(embedding, axis=-1))


VARIANTS = {"CLIP_large_patch14_224_aesthetic": AestheticCLIP}
