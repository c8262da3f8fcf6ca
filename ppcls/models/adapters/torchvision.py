"""Weights with the names of a torchvision ResNet, turned into those of ours."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from ppcls.models.weight_files import Arrays

STATISTICS = {"running_mean": "_mean", "running_var": "_variance"}
BN_EPSILON = 1e-5  # of both frameworks


def is_torchvision_resnet(names: Mapping[str, Any]) -> bool:
    return {"conv1.weight", "bn1.running_mean", "layer1.0.conv1.weight"} <= set(names)


def from_torchvision_resnet(arrays: Arrays) -> Arrays:
    """Return `arrays` under our names, with `fc.weight` as [in, out].

    Where the file has no projection in the first shortcut, which ours has, an identity one is added.
    Names that are not a ResNet's stay as they are, for the caller to refuse.
    """
    depths = [0, 0, 0, 0]
    for name in arrays:
        if match := re.match(r"layer([1-4])\.(\d+)\.", name):
            stage = int(match[1]) - 1
            depths[stage] = max(depths[stage], int(match[2]) + 1)
    converted = {
        _our_name(name, depths): array for name, array in arrays.items() if not name.endswith("num_batches_tracked")
    }
    if "fc.weight" in converted:
        converted["fc.weight"] = converted["fc.weight"].T
    if "blocks.0.short.conv.weight" not in converted:
        converted.update(_identity_projection(len(converted["stem.0.bn.weight"])))
    return converted


def _our_name(name: str, depths: list[int]) -> str:
    module, _, leaf = name.rpartition(".")
    leaf = STATISTICS.get(leaf, leaf)
    if module in ("conv1", "bn1"):
        return f"stem.0.{module[:-1]}.{leaf}"
    match = re.fullmatch(r"layer([1-4])\.(\d+)\.(?:(conv|bn)([1-3])|downsample\.([01]))", module)
    if match is None:
        return name
    stage, index, kind, number, downsample = match.groups()
    block = sum(depths[: int(stage) - 1]) + int(index)
    if kind is None:
        return f"blocks.{block}.short.{('conv', 'bn')[int(downsample)]}.{leaf}"
    return f"blocks.{block}.conv{int(number) - 1}.{kind}.{leaf}"


def _identity_projection(channels: int) -> Arrays:
    """Return a 1x1 convolution and a batch norm that together change nothing."""
    ones = np.ones(channels, np.float32)
    return {
        "blocks.0.short.conv.weight": np.eye(channels, dtype=np.float32)[:, :, None, None],
        "blocks.0.short.bn.weight": ones * np.float32(np.sqrt(1 + BN_EPSILON)),
        "blocks.0.short.bn.bias": 0 * ones,
        "blocks.0.short.bn._mean": 0 * ones,
        "blocks.0.short.bn._variance": ones,
    }
