"""Put weights from a file or a URL into a model."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional, Union

import numpy as np
import paddle
from paddle import nn

from ppcls.errors import CheckpointError, ConfigError
from ppcls.models.adapters.torchvision import from_torchvision_resnet, is_torchvision_resnet
from ppcls.models.head_rows import follow_names, heads_of
from ppcls.models.ml_decoder import replaced_heads
from ppcls.models.weight_files import Arrays, download, find_weights, listed, read_weights, saved_names

logger = logging.getLogger("ppcls")

# What other programs put before all names of a model that stands inside of something else.
PREFIXES = ("module.", "backbone.", "model.", "_orig_mod.")

# Source: the model tables of PaddleClas (Apache-2.0); trained on ImageNet-1k.
OFFICIAL = "https://paddle-imagenet-models-name.bj.bcebos.com/dygraph"
PRETRAINED = {
    name: f"{OFFICIAL}/legendary_models/{name}_pretrained.pdparams"
    for depth in (18, 34, 50, 101, 152)
    for name in (f"ResNet{depth}", f"ResNet{depth}_vd")
}
PRETRAINED["ResNet50_vc"] = f"{OFFICIAL}/ResNet50_vc_pretrained.pdparams"
# What the names of weights inside losses begin with: a training keeps them with the model, which does without them.
OF_LOSSES = "losses."
PRETRAINED_SSLD = {
    name: f"{OFFICIAL}/legendary_models/{name}_ssld_pretrained.pdparams"
    for name in ("ResNet34_vd", "ResNet50_vd", "ResNet101_vd")
}


def resolve_pretrained(name: str, pretrained: Union[bool, str], use_ssld: bool) -> Optional[str]:
    """Return the path or URL that `Arch.pretrained` and `Arch.use_ssld` stand for; None for no weights.

    Raises: ConfigError if there are no such official weights, or if `use_ssld` would have no effect.
    """
    if use_ssld and pretrained is not True:
        raise ConfigError(
            f"Arch.use_ssld: chooses among official weights only; received pretrained: {pretrained}; "
            "set Arch.pretrained to True or leave use_ssld out"
        )
    if not isinstance(pretrained, bool):
        return pretrained
    if not pretrained:
        return None
    urls = PRETRAINED_SSLD if use_ssld else PRETRAINED
    if name not in urls:
        kind = "SSLD weights" if use_ssld else "weights"
        raise ConfigError(f"Arch.pretrained: no official {kind} for {name}; they exist for {', '.join(urls)}")
    return urls[name]


def load_weights(model: nn.Layer, source: str, *, new_head: bool = True, class_names: Sequence[str] = ()) -> None:
    """Load a file of weights, a prefix of one, or a URL of one into `model`.

    Names are PaddleClas's or those of a torchvision ResNet. With `new_head`, the rows of a head follow the
    `class_names` where the weights came with theirs; else one for another number of classes keeps its initial values.
    The log says so.
    Raises: CheckpointError if there is no such file, it is none of weights, or it doesn't fit the model.
    """
    path = download(source) if source.startswith(("http://", "https://")) else find_weights(source)
    saved = saved_names(path)  # which also makes sure that the file is the one of its run
    elsewhere = (OF_LOSSES, *getattr(model, "gone", ()))
    arrays = {n: _widened(array) for n, array in read_weights(path).items() if not n.startswith(elsewhere)}
    entries = model.state_dict(use_hook=False)  # the tensors themselves, not copies cast for saving
    state = {name: tensor for name, tensor in entries.items() if not name.startswith(OF_LOSSES)}
    arrays = _without_prefix(path, arrays, state)
    if is_torchvision_resnet(arrays):
        arrays = from_torchvision_resnet(arrays)
    skipped: set[str] = set()
    replaced = replaced_heads(model, list(arrays)) if new_head else set()
    if new_head:
        arrays = follow_names(model, arrays, saved=saved, names=class_names, where=str(path))
        skipped = {name for name, tensor, _ in heads_of(model, arrays) if list(arrays[name].shape) != tensor.shape}
        arrays = {name: array for name, array in arrays.items() if name not in replaced}
        skipped |= replaced & set(state)
    _check_fit(path, getattr(model, "arch_name", type(model).__name__), state, arrays, skipped)
    for name, tensor in state.items():
        if name not in skipped:
            tensor.set_value(paddle.to_tensor(arrays[name], place=tensor.place).astype(tensor.dtype))
    logger.info("loaded weights from %s", path)
    if skipped:
        logger.warning(
            "%s has another %s than the model: %s keep their initial values",
            path,
            "head" if replaced else "number of classes",
            ", ".join(sorted(skipped)),
        )


def _widened(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return bfloat16, which comes as uint16, as float32: it is the upper half of one."""
    return (array.astype(np.uint32) << 16).view(np.float32) if array.dtype == np.uint16 else array


def _without_prefix(path: Path, arrays: Arrays, state: dict[str, Any]) -> Arrays:
    """Return the arrays without what stands before all of their names, and say so."""
    prefix = ""
    while True:
        common = [p for p in PREFIXES if all(name.startswith(prefix + p) for name in arrays)]
        if not common or all(name.startswith(prefix + common[0]) for name in state):
            break
        prefix += common[0]
    if not prefix:
        return arrays
    logger.info("%s: all names begin with '%s', which is taken off", path, prefix)
    return {name[len(prefix) :]: array for name, array in arrays.items()}


def _check_fit(path: Path, model_name: str, state: dict[str, Any], arrays: Arrays, skipped: set[str]) -> None:
    mis_shaped = [
        f"{name} {list(arrays[name].shape)} instead of {list(tensor.shape)}"
        for name, tensor in state.items()
        if name in arrays and name not in skipped and arrays[name].shape != tuple(tensor.shape)
    ]
    faults = {
        "missing": [name for name in state if name not in arrays and name not in skipped],
        "unexpected": [name for name in arrays if name not in state],
        "other shape": mis_shaped,
    }
    if any(faults.values()):
        found = "; ".join(f"{kind}: {listed(names)}" for kind, names in faults.items() if names)
        raise CheckpointError(f"{path}: doesn't fit {model_name}; {found}; give weights of {model_name}")
    wrong = [name for name in state if name not in skipped and not np.isfinite(arrays[name]).all()]
    if wrong:
        raise CheckpointError(
            f"{path}: has values that are not finite (NaN or infinity), in {listed(wrong)}; the training that wrote it "
            "diverged, or the file is damaged; give another one"
        )
