"""Models of other programs with drawn weights: what they compute, for weights by their names to be compared with.

    python tests/unit/models/foreign.py

writes foreign.json.gz with PyTorch, torchvision, timm, Transformers and OpenCLIP: for each model the names and shapes
of its weights, and the first logits of an image. The weights themselves follow from their names.
"""

import gzip
import json
import sys
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

FILE = Path(__file__).with_name("foreign.json.gz")
NUM_LOGITS = 8


@dataclass(frozen=True, eq=False)
class Case:
    """A model of another program, and ours with the arguments that let it compute the same."""

    program: str
    model: str
    ours: str
    arguments: dict[str, Any] = field(default_factory=dict)
    image_px: int = 64


SYMMETRIC = {"padding_type": "DYNAMIC", "override_params": {"batch_norm_epsilon": 1e-5}}
UNSHIFTED = {"shift_single_windows": False}
QUICK = {"act": "quick_gelu"}

CASES = (
    Case("torchvision", "resnet18", "ResNet18"),
    Case("torchvision", "resnet50", "ResNet50"),
    Case("torchvision", "resnext50_32x4d", "ResNeXt50_32x4d"),
    Case("torchvision", "resnext101_32x8d", "ResNeXt101_32x8d_wsl"),
    Case("torchvision", "mobilenet_v2", "MobileNetV2"),
    Case("torchvision", "densenet121", "DenseNet121"),
    Case("torchvision", "efficientnet_b0", "EfficientNetB0", SYMMETRIC),
    Case("torchvision", "efficientnet_b1", "EfficientNetB1", SYMMETRIC),
    Case("torchvision", "regnet_x_800mf", "RegNetX_800MF"),
    Case("torchvision", "regnet_x_3_2gf", "RegNetX_3200MF"),
    Case("torchvision", "convnext_tiny", "ConvNeXt_tiny"),
    Case("torchvision", "swin_t", "SwinTransformer_tiny_patch4_window7_224", UNSHIFTED),
    Case("torchvision", "vit_b_16", "ViT_base_patch16_224", image_px=224),
    Case("timm", "resnet18d", "ResNet18_vd"),
    Case("timm", "resnet50d", "ResNet50_vd"),
    Case("timm", "mobilenetv2_100", "MobileNetV2"),
    Case("timm", "tf_efficientnet_b0", "EfficientNetB0"),
    Case("timm", "regnetx_004", "RegNetX_400MF"),
    Case("timm", "convnext_tiny", "ConvNeXt_tiny"),
    Case("timm", "swin_tiny_patch4_window7_224", "SwinTransformer_tiny_patch4_window7_224", UNSHIFTED, 224),
    Case("timm", "deit_tiny_patch16_224", "DeiT_tiny_patch16_224", image_px=224),
    Case("timm", "deit_tiny_distilled_patch16_224", "DeiT_tiny_distilled_patch16_224", image_px=224),
    Case("timm", "vit_base_patch32_clip_quickgelu_224", "CLIP_vit_base_patch32_224", {**QUICK, "class_num": 512}, 224),
    Case("transformers", "CLIP", "CLIP_vit_base_patch32_224", {**QUICK, "return_embed": True}, 224),
    Case("open_clip", "ViT-B-32-quickgelu", "CLIP_vit_base_patch32_224", {**QUICK, "return_embed": True}, 224),
)


def drawn(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return the value that an entry of this name has; scales and variances are near 1."""
    random = np.random.default_rng(zlib.crc32(name.encode()))
    if name.endswith("running_var"):
        return random.uniform(0.5, 1.5, shape).astype("float32")
    if len(shape) == 1:
        return (name.endswith("weight") + 0.1 * random.standard_normal(shape)).astype("float32")
    return np.asarray(random.standard_normal(shape) * np.prod(shape[1:]) ** -0.5, "float32")


def image(image_px: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((1, 3, image_px, image_px)).astype("float32")


def built(case: Case) -> Any:
    """Return the other program's model, without weights of its own."""
    if case.program == "torchvision":
        import torchvision

        return getattr(torchvision.models, case.model)(weights=None)
    if case.program == "timm":
        import timm

        return timm.create_model(case.model)
    if case.program == "transformers":
        from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

        return CLIPVisionModelWithProjection(CLIPVisionConfig(projection_dim=512))  # of ViT-B/32
    import open_clip

    return open_clip.create_model(case.model, pretrained=None)


def logits_of(case: Case, model: Any) -> np.ndarray:
    """Return the logits, or the embedding, of the image."""
    import torch

    images = torch.as_tensor(image(case.image_px))
    with torch.no_grad():
        if case.program == "transformers":
            return model(pixel_values=images).image_embeds.numpy()
        if case.program == "open_clip":
            return model.encode_image(images).numpy()
        return model(images).numpy()


def computed(case: Case) -> dict[str, Any]:
    """Return the shapes of the weights of a model, and its first logits with the drawn ones."""
    import torch

    model = built(case).eval()
    state = model.state_dict()
    for name, entry in state.items():
        if entry.is_floating_point():
            entry.copy_(torch.as_tensor(drawn(name, tuple(entry.shape))))
    shapes = {name: list(entry.shape) for name, entry in state.items() if entry.is_floating_point()}
    return {"shapes": shapes, "logits": logits_of(case, model)[0, :NUM_LOGITS].tolist()}


def key_of(case: Case) -> str:
    return f"{case.program} {case.model}"


def main() -> None:
    found = json.loads(gzip.decompress(FILE.read_bytes())) if FILE.exists() else {}
    for case in CASES:
        if sys.argv[1:] in ([], [key_of(case)]):
            found[key_of(case)] = computed(case)
            print(key_of(case), found[key_of(case)]["logits"][:3], flush=True)
    FILE.write_bytes(gzip.compress(json.dumps(found).encode(), mtime=0))


if __name__ == "__main__":
    main()
