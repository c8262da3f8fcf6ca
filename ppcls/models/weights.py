"""Put weights from a file or a URL into a model."""

import logging
import urllib.parse
from pathlib import Path
from typing import Any, Optional, Union

import numpy as np
import paddle
import safetensors
from paddle import nn

from ppcls import pdparams
from ppcls.download import fetch
from ppcls.errors import CheckpointError, ConfigError
from ppcls.models.adapters.torchvision import Arrays, from_torchvision_resnet, is_torchvision_resnet
from ppcls.models.layers import Head

logger = logging.getLogger("ppcls")

SUFFIXES = (".pdparams", ".safetensors")
SAFETENSORS_DTYPES = {"F16": "<f2", "F32": "<f4", "F64": "<f8", "BF16": "<u2", "I32": "<i4", "I64": "<i8"}

# Source: the model tables of PaddleClas (Apache-2.0); trained on ImageNet-1k.
OFFICIAL = "https://paddle-imagenet-models-name.bj.bcebos.com/dygraph"
PRETRAINED = {
    name: f"{OFFICIAL}/legendary_models/{name}_pretrained.pdparams"
    for depth in (18, 34, 50, 101, 152)
    for name in (f"ResNet{depth}", f"ResNet{depth}_vd")
}
PRETRAINED["ResNet50_vc"] = f"{OFFICIAL}/ResNet50_vc_pretrained.pdparams"
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


def load_weights(model: nn.Layer, source: str, *, new_head: bool = True) -> None:
    """Load a `.pdparams` or `.safetensors` file, a prefix of one, or a URL of one into `model`.

    Names are PaddleClas's or those of a torchvision ResNet. With `new_head`, a head for another number of classes
    keeps its initial values, and the log says so.
    Raises: CheckpointError if there is no such file, it is none of weights, or it doesn't fit the model.
    """
    path = download(source) if source.startswith(("http://", "https://")) else find_weights(source)
    arrays = read_weights(path)
    if is_torchvision_resnet(arrays):
        arrays = from_torchvision_resnet(arrays)
    state = model.state_dict(use_hook=False)  # the tensors themselves, not copies cast for saving
    skipped = _head_of_other_classes(model, state, arrays) if new_head else set()
    _check_fit(path, getattr(model, "arch_name", type(model).__name__), state, arrays, skipped)
    for name, tensor in state.items():
        if name not in skipped:
            _set(tensor, arrays[name])
    logger.info("loaded weights from %s", path)
    if skipped:
        logger.warning(
            "%s has another number of classes than the model: %s keep their initial values",
            path,
            ", ".join(sorted(skipped)),
        )


def find_weights(path: Union[str, Path]) -> Path:
    """Return the file that a path, or a prefix such as `output/ResNet50/best_model`, stands for."""
    names = [str(path)] if str(path).endswith(SUFFIXES) else [f"{path}{suffix}" for suffix in SUFFIXES]
    for name in names:
        if Path(name).is_file():
            return Path(name)
    raise CheckpointError(f"{path}: no weights there; tried {', '.join(names)}; give a file or its prefix")


def read_weights(path: Path) -> Arrays:
    """Read a file of weights; bfloat16 comes as uint16. Raises CheckpointError if it isn't one."""
    arrays = _read_safetensors(path) if path.suffix == ".safetensors" else pdparams.read(path)
    others = [name for name, array in arrays.items() if not isinstance(array, np.ndarray)]
    if others or not arrays:
        what = f"{_listed(others)}: no arrays" if others else "no arrays in it"
        raise CheckpointError(f"{path}: not a file of weights; {what}; give the .pdparams of a model")
    return arrays


def _read_safetensors(path: Path) -> Arrays:
    try:
        tensors = safetensors.deserialize(path.read_bytes())  # type: ignore[no-untyped-call]
        return {
            name: np.ndarray(tensor["shape"], SAFETENSORS_DTYPES[tensor["dtype"]], tensor["data"])
            for name, tensor in tensors
        }
    except OSError as error:
        raise CheckpointError(f"{path}: can't be read; {error.strerror}; give a readable file") from error
    except KeyError as error:
        raise CheckpointError(
            f"{path}: tensors of type {error} are not weights; give one of {', '.join(SAFETENSORS_DTYPES)}"
        ) from error
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"{path}: not a safetensors file or damaged; {error}; get or write it again") from error


def _head_of_other_classes(model: nn.Layer, state: dict[str, Any], arrays: Arrays) -> set[str]:
    """Return the names of the parameters of a head that differ from `arrays` only along the classes' axis."""
    axes = {
        f"{prefix}.{leaf}": axis
        for prefix, layer in model.named_sublayers()
        if isinstance(layer, Head)
        for leaf, axis in (("weight", layer.class_axis), ("bias", 0))
    }
    return {
        name
        for name, axis in axes.items()
        if name in arrays and _differ_along(axis, arrays[name].shape, tuple(state[name].shape))
    }


def _differ_along(axis: int, one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Return whether two shapes differ, and along that axis alone."""
    return one != other and one[:axis] == other[:axis] and one[axis + 1 :] == other[axis + 1 :]


def _check_fit(path: Path, model_name: str, state: dict[str, Any], arrays: Arrays, skipped: set[str]) -> None:
    mis_shaped = [
        f"{name} {list(arrays[name].shape)} instead of {list(tensor.shape)}"
        for name, tensor in state.items()
        if name in arrays and name not in skipped and arrays[name].shape != tuple(tensor.shape)
    ]
    faults = {
        "missing": [name for name in state if name not in arrays],
        "unexpected": [name for name in arrays if name not in state],
        "other shape": mis_shaped,
    }
    if any(faults.values()):
        found = "; ".join(f"{kind}: {_listed(names)}" for kind, names in faults.items() if names)
        raise CheckpointError(f"{path}: doesn't fit {model_name}; {found}; give weights of {model_name}")


def _listed(names: list[str]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def _set(tensor: paddle.Tensor, array: np.ndarray[Any, Any]) -> None:
    if array.dtype == np.uint16:  # bfloat16: the upper half of a float32
        array = (array.astype(np.uint32) << 16).view(np.float32)
    tensor.set_value(paddle.to_tensor(array, place=tensor.place).astype(tensor.dtype))


def download(url: str) -> Path:
    """Return a copy of the file of weights at `url`, kept in `$PPCLS_HOME/weights` (see `fetch`).

    Raises: CheckpointError.
    """
    name = Path(urllib.parse.urlsplit(url).path).name
    if not name.endswith(SUFFIXES):
        raise CheckpointError(f"{url}: not a file of weights; its name is '{name}'; give a {' or '.join(SUFFIXES)}")
    return fetch(url, "weights", read_weights, CheckpointError)
