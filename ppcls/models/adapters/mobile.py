"""MobileNetV2 and EfficientNet of torchvision and of timm."""

import re
from typing import Any

from ppcls.models.adapters.adapter import Adapter, Rename, identity_conv, number_blocks
from ppcls.models.mobilenetv2 import STAGES
from ppcls.models.weight_files import Arrays
from ppcls.paddle_private import convolving, normalizing

# The three convolutions of a block, and its gate, in timm; its first blocks don't widen.
WIDENED = {"conv_pw": "0", "bn1": "0", "conv_dw": "1", "bn2": "1", "conv_pwl": "3", "bn3": "3"}
NARROW = {"conv_dw": "1", "bn1": "1", "conv_pw": "3", "bn2": "3"}
TIMM_SIGNS = ("conv_stem.weight", "blocks.0.0.conv_dw.weight", "bn2.weight")


def _parts_of_timm(arrays: Arrays) -> Arrays:
    """Return `arrays` whose blocks have the parts 0 to 3, each with `conv` and `bn`; 2 is the gate."""

    def renamed(match: "re.Match[str]") -> str:
        part, widens = match[2], f"{match[1]}conv_pwl.weight" in arrays
        return f"{match[1]}{(WIDENED if widens else NARROW)[part]}.{'bn' if part.startswith('bn') else 'conv'}."

    return {re.sub(r"^(blocks\.\d+\.\d+\.)(\w+)\.(?!conv_)", renamed, name): array for name, array in arrays.items()}


def _parts_of_torchvision(arrays: Arrays) -> Arrays:
    """Return `arrays` whose blocks have the parts 0 to 3 also where the first of them, which widens, isn't there."""

    def moved(match: "re.Match[str]") -> str:
        stays = f"{match[1]}3.0.weight" in arrays
        return match[0] if stays else f"{match[1]}{int(match[2]) + 1}."

    return {re.sub(r"^(features\.\d+\.\d+\.block\.)(\d)\.", moved, name): array for name, array in arrays.items()}


EFFICIENT_BLOCKS: tuple[Rename, ...] = (
    (r"^(\d+):0\.", r"_ef._blocks.\1.."),
    (r"^(\d+):\d+\.", r"_ef.block.\1.."),
)
EFFICIENT_PARTS = {"0": "_ecn", "1": "_dcn", "3": "_pcn"}


def _other_padding(model: Any) -> str:
    """Torchvision's B5 to B7, whose stems have more channels, have TensorFlow's epsilon, and the smaller ones not."""
    last = model._conv
    epsilon = 1e-3 if last.convolution.weight.shape[0] >= 2048 else 1e-5
    if convolving(last.convolution).padding != "SAME" and normalizing(last.norm).epsilon == epsilon:
        return ""
    return (
        "pads all sides of an image alike, and has an epsilon of its own: set Arch.padding_type to DYNAMIC and "
        f"Arch.override_params.batch_norm_epsilon to {epsilon:g}"
    )


EFFICIENTNET = (
    Adapter(
        "torchvision",
        ("features.0.0.weight", "features.1.0.block.0.0.weight"),
        (
            *EFFICIENT_BLOCKS,
            (r"\.block\.2\.fc([12])\.", r"._se._conv\1._conv."),
            (r"\.block\.([013])\.0\.", lambda match: f".{EFFICIENT_PARTS[match[1]]}._conv._conv._conv."),
            (r"\.block\.([013])\.1\.", lambda match: f".{EFFICIENT_PARTS[match[1]]}._conv._bn."),
            (r"^features\.0\.0\.", "_ef._conv_stem._conv._conv._conv."),
            (r"^features\.0\.1\.", "_ef._conv_stem._conv._bn."),
            (r"^features\.8\.0\.", "_conv._conv._conv."),
            (r"^features\.8\.1\.", "_conv._bn."),
            (r"^classifier\.1\.", "_fc."),
        ),
        prepare=lambda arrays: number_blocks(r"features\.([1-7])\.(\d+)\.", _parts_of_torchvision(arrays)),
        obstacle=_other_padding,
    ),
    Adapter(  # its `tf_efficientnet_b0` to `b7`
        "timm",
        TIMM_SIGNS,
        (
            *EFFICIENT_BLOCKS,
            (r"\.se\.conv_reduce\.", "._se._conv1._conv."),
            (r"\.se\.conv_expand\.", "._se._conv2._conv."),
            (r"\.([013])\.conv\.", lambda match: f".{EFFICIENT_PARTS[match[1]]}._conv._conv._conv."),
            (r"\.([013])\.bn\.", lambda match: f".{EFFICIENT_PARTS[match[1]]}._conv._bn."),
            (r"^conv_stem\.", "_ef._conv_stem._conv._conv._conv."),
            (r"^bn1\.", "_ef._conv_stem._conv._bn."),
            (r"^conv_head\.", "_conv._conv._conv."),
            (r"^bn2\.", "_conv._bn."),
            (r"^classifier\.", "_fc."),
        ),
        prepare=lambda arrays: number_blocks(r"blocks\.(\d+)\.(\d+)\.", _parts_of_timm(arrays)),
    ),
)


# Stage and index of the blocks `features.1` to `features.17` of torchvision.
PLACES = [(stage, index) for stage, (_, _, depth, _) in enumerate(STAGES) for index in range(depth)]
MOBILE_PARTS = {"0": "_expand_conv", "1": "_bottleneck_conv", "3": "_linear_conv"}


def _mobile_block(stage: int, index: int) -> str:
    return f"conv{stage + 2}.{f'conv{stage + 2}_{index + 1}' if index else '_first_block'}"


def _mobile_parts(arrays: Arrays) -> Arrays:
    """Return torchvision's `arrays` whose blocks have the parts 0, 1 and 3, as those of timm become."""

    def renamed(match: "re.Match[str]") -> str:
        number, part = int(match[1]), match[2]
        widens = number > 1
        places = {"0.0": "0.conv", "0.1": "0.bn", "1.0": "1.conv", "1.1": "1.bn", "2": "3.conv", "3": "3.bn"}
        if not widens:
            places = {"0.0": "1.conv", "0.1": "1.bn", "1": "3.conv", "2": "3.bn"}
        stage, index = PLACES[number - 1]
        return f"blocks.{stage}.{index}.{places[part]}."

    pattern = r"^features\.(\d+)\.conv\.(\d(?:\.\d)?)\."
    return {re.sub(pattern, renamed, name): array for name, array in arrays.items()}


def _with_first_widening(model: Any, arrays: Arrays) -> Arrays:
    """Add the widening of the first block, which ours has alone, as one that changes nothing: ReLU6 came before."""
    channels = model.conv1.convolution.weight.shape[0]
    first = "conv2._first_block._expand_conv"
    return {**arrays, **identity_conv(f"{first}._conv", f"{first}._batch_norm", channels)}


MOBILE_BLOCKS: tuple[Rename, ...] = (
    (r"^blocks\.(\d+)\.(\d+)\.", lambda match: f"{_mobile_block(int(match[1]), int(match[2]))}."),
    (r"\.([013])\.conv\.", lambda match: f".{MOBILE_PARTS[match[1]]}._conv."),
    (r"\.([013])\.bn\.", lambda match: f".{MOBILE_PARTS[match[1]]}._batch_norm."),
)

MOBILENETV2 = (
    Adapter(
        "torchvision",
        ("features.0.0.weight", "features.1.conv.0.0.weight"),
        (
            *MOBILE_BLOCKS,
            (r"^features\.0\.0\.", "conv1._conv."),
            (r"^features\.0\.1\.", "conv1._batch_norm."),
            (r"^features\.18\.0\.", "conv9._conv."),
            (r"^features\.18\.1\.", "conv9._batch_norm."),
            (r"^classifier\.1\.", "out."),
        ),
        prepare=_mobile_parts,
        finish=_with_first_widening,
    ),
    Adapter(
        "timm",
        TIMM_SIGNS,
        (
            *MOBILE_BLOCKS,
            (r"^conv_stem\.", "conv1._conv."),
            (r"^bn1\.", "conv1._batch_norm."),
            (r"^conv_head\.", "conv9._conv."),
            (r"^bn2\.", "conv9._batch_norm."),
            (r"^classifier\.", "out."),
        ),
        prepare=_parts_of_timm,
        finish=_with_first_widening,
    ),
)
