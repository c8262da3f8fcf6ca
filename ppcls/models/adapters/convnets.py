"""DenseNet, RegNet-X and ConvNeXt of torchvision and of timm."""

from ppcls.models.adapters.adapter import Adapter
from ppcls.models.weight_files import Arrays

PARTS = {"conv": "_conv", "norm": "_batch_norm", "bn": "_batch_norm"}
LETTERS = {"a": "conv0", "b": "conv1", "c": "conv2"}


def _followed(number: str) -> int:
    return int(number) + 1


DENSENET = (  # timm's has the names of torchvision's; those of its published files have a dot more, `norm.1`
    Adapter(
        "torchvision",
        ("features.conv0.weight", "features.norm5.weight"),
        (
            (r"^features\.conv0\.", "conv1_func._conv."),
            (r"^features\.norm0\.", "conv1_func._batch_norm."),
            (r"^features\.norm5\.", "batch_norm."),
            (
                r"^features\.denseblock(\d+)\.denselayer(\d+)\.",
                lambda match: f"db_conv_{_followed(match[1])}.conv{_followed(match[1])}_{match[2]}.",
            ),
            (r"\.norm\.?([12])\.", r".bn_ac_func\1._batch_norm."),
            (r"\.conv\.?([12])\.", r".bn_ac_func\1._conv."),
            (r"^features\.transition(\d+)\.", lambda match: f"tr_conv{_followed(match[1])}_blk.conv_ac_func."),
            (r"\.conv_ac_func\.(norm|conv)\.", lambda match: f".conv_ac_func.{PARTS[match[1]]}."),
            (r"^classifier\.", "out."),
        ),
    ),
)

REGNET = (
    Adapter(
        "torchvision",
        ("stem.0.weight", "trunk_output.block1.block1-0.proj.0.weight"),
        (
            (r"^stem\.", "conv."),
            (r"^trunk_output\.block(\d)\.block\d-(\d+)\.", lambda match: f"s{match[1]}_b{_followed(match[2])}."),
            (r"\.f\.([abc])\.", lambda match: f".{LETTERS[match[1]]}."),
            (r"\.proj\.", ".short."),
            (r"\.0\.weight$", "._conv.weight"),
            (r"\.1\.", "._batch_norm."),
            (r"^fc\.", "out."),
        ),
    ),
    Adapter(
        "timm",
        ("stem.conv.weight", "s1.b1.conv1.conv.weight"),
        (
            (r"^stem\.", "conv."),
            (r"^s(\d)\.b(\d+)\.", r"s\1_b\2."),
            (r"\.conv([1-3])\.", lambda match: f".conv{int(match[1]) - 1}."),
            (r"\.downsample\.", ".short."),
            (r"\.(conv|bn)\.(\w+)$", lambda match: f".{PARTS[match[1]]}.{match[2]}"),
            (r"^conv\.conv\.", "conv._conv."),
            (r"^head\.fc\.", "out."),
        ),
    ),
)


def _flat_scales(arrays: Arrays) -> Arrays:
    return {name: array.reshape(-1) if name.endswith("layer_scale") else array for name, array in arrays.items()}


CONVNEXT = (
    Adapter(
        "torchvision",
        ("features.0.0.weight", "features.1.0.layer_scale"),
        (
            (r"^features\.0\.", "downsample_layers.0."),
            (r"^features\.([246])\.", lambda match: f"downsample_layers.{int(match[1]) // 2}."),
            (r"^features\.([1357])\.", lambda match: f"stages.{int(match[1]) // 2}."),
            (r"\.layer_scale$", ".gamma"),
            (r"\.block\.0\.", ".dwconv."),
            (r"\.block\.2\.", ".norm."),
            (r"\.block\.3\.", ".pwconv1."),
            (r"\.block\.5\.", ".pwconv2."),
            (r"^classifier\.0\.", "norm."),
            (r"^classifier\.2\.", "head."),
        ),
        prepare=_flat_scales,
    ),
    Adapter(
        "timm",
        ("stem.0.weight", "stages.0.blocks.0.conv_dw.weight"),
        (
            (r"^stem\.", "downsample_layers.0."),
            (r"^stages\.(\d)\.downsample\.", r"downsample_layers.\1."),
            (r"\.blocks\.(\d+)\.", r".\1."),
            (r"\.conv_dw\.", ".dwconv."),
            (r"\.mlp\.fc([12])\.", r".pwconv\1."),
            (r"^head\.norm\.", "norm."),
            (r"^head\.fc\.", "head."),
        ),
    ),
    Adapter("Meta", (), tall="stages.0.0.pwconv1.weight"),
)
