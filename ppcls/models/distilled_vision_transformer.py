"""DeiT: ViT in smaller sizes, and with a distillation token.

Source: https://arxiv.org/abs/2012.12877, section 4 and table 1. Names in the state dict and weights: PaddleClas
(Apache-2.0), whose weights are converted from Meta's (Apache-2.0).
"""

from functools import partial

import paddle

from ppcls.models.layers import Head
from ppcls.models.vision_transformer import Form, VisionTransformer

TINY, SMALL, BASE = Form(192, 12, 3), Form(384, 12, 6), Form(768, 12, 12)
BASE_384 = Form(768, 12, 12, image_size=384)


class DistilledVisionTransformer(VisionTransformer):
    """A ViT with a second token and a head for it; the logits are the mean of both heads' (section 4).

    The features are those of both tokens side by side.
    """

    token_names = ("cls_token", "dist_token")

    def _add_head(self, class_num: int) -> None:
        super()._add_head(class_num)
        self.num_features = 2 * self.form.width
        self.head_dist = Head(self.form.width, class_num, std=0.02)

    def features(self, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        return self.norm(self.encode(images_NCHW)[:, :2]).flatten(1)

    def forward(self, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        of_class, of_distillation = self.features(images_NCHW).split(2, axis=1)
        return (self.head(of_class) + self.head_dist(of_distillation)) / 2

    def reset_head(self, class_num: int) -> None:
        super().reset_head(class_num)
        self.head_dist = self.head_dist.resized(class_num)


VARIANTS = {
    "DeiT_tiny_patch16_224": partial(VisionTransformer, TINY),
    "DeiT_small_patch16_224": partial(VisionTransformer, SMALL),
    "DeiT_base_patch16_224": partial(VisionTransformer, BASE),
    "DeiT_tiny_distilled_patch16_224": partial(DistilledVisionTransformer, TINY),
    "DeiT_small_distilled_patch16_224": partial(DistilledVisionTransformer, SMALL),
    "DeiT_base_distilled_patch16_224": partial(DistilledVisionTransformer, BASE),
    "DeiT_base_patch16_384": partial(VisionTransformer, BASE_384),
    "DeiT_base_distilled_patch16_384": partial(DistilledVisionTransformer, BASE_384),
}
