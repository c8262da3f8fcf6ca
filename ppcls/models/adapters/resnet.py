"""ResNets of torchvision and of timm: ResNet, its vd form (timm's "d"), ResNeXt and the wsl ones."""

from typing import Any

from ppcls.models.adapters.adapter import Adapter, Rename, identity_conv, number_blocks
from ppcls.models.weight_files import Arrays

NAMES = ("bn1.running_mean", "layer1.0.conv1.weight")
PLAIN, DEEP = ("conv1.weight", *NAMES), ("conv1.0.weight", *NAMES)


def _with_first_shortcut(model: Any, arrays: Arrays) -> Arrays:
    """Add the projection in the first shortcut that basic blocks have in ours alone, as one that changes nothing."""
    if "blocks.0.short.conv.weight" in arrays:
        return arrays
    channels = model.stem[-1].convolution.weight.shape[0]
    return {**arrays, **identity_conv("blocks.0.short.conv", "blocks.0.short.bn", channels)}


IN_BLOCKS: tuple[Rename, ...] = (
    (r"^(\d+):\d+\.", r"blocks.\1."),
    (r"\.(conv|bn)([1-3])\.", lambda match: f".conv{int(match[2]) - 1}.{match[1]}."),
)


def _numbered(arrays: Arrays) -> Arrays:
    return number_blocks(r"layer(\d+)\.(\d+)\.", arrays)


RESNET = (
    Adapter(
        "torchvision",
        PLAIN,
        (
            *IN_BLOCKS,
            (r"^(conv|bn)1\.", r"stem.0.\1."),
            (r"\.downsample\.0\.", ".short.conv."),
            (r"\.downsample\.1\.", ".short.bn."),
        ),
        prepare=_numbered,
        finish=_with_first_shortcut,
    ),
    Adapter(
        "timm",
        DEEP,
        (
            *IN_BLOCKS,
            (r"^conv1\.([036])\.", lambda match: f"stem.{int(match[1]) // 3}.conv."),
            (r"^conv1\.([14])\.", lambda match: f"stem.{int(match[1]) // 3}.bn."),
            (r"^bn1\.", "stem.2.bn."),
            (r"\.downsample\.1\.", ".short.conv."),
            (r"\.downsample\.2\.", ".short.bn."),
        ),
        prepare=_numbered,
        finish=_with_first_shortcut,
    ),
)


def _older(stem: str, block: str, conv: str, norm: str, short: str, head: str) -> Adapter:
    """Return the adapter of plain ResNets for the names of one of our older families."""
    return Adapter(
        "torchvision",
        PLAIN,
        (
            (r"^conv1\.", f"{stem}._conv."),
            (r"^bn1\.", f"{stem}.{norm}."),
            (r"^layer(\d)\.(\d+)\.", lambda match: block.format(int(match[1]) - 1, int(match[1]), match[2])),
            (r"\.conv([1-3])\.", lambda match: f".{conv}{int(match[1]) - 1}._conv."),
            (r"\.bn([1-3])\.", lambda match: f".{conv}{int(match[1]) - 1}.{norm}."),
            (r"\.downsample\.0\.", f".{short}._conv."),
            (r"\.downsample\.1\.", f".{short}.{norm}."),
            (r"^fc\.", f"{head}."),
        ),
    )


RESNEXT = (_older("conv", "bb_{0}_{2}.", "conv", "_batch_norm", "short", "out"),)
RESNEXT_WSL = (_older("_conv_stem", "_conv{1}_{2}.", "_conv", "_bn", "_short._conv", "_out"),)
