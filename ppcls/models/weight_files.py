"""Files of weights: where they are, what is in them, and what the run that wrote them says of them."""

import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Union

import numpy as np
import safetensors
from numpy.typing import NDArray

from ppcls import pdparams, torch_file
from ppcls.download import fetch, name_of
from ppcls.errors import CheckpointError
from ppcls.files import sha256_of

Arrays = dict[str, NDArray[Any]]

PDPARAMS, SAFETENSORS, TORCH = ".pdparams", ".safetensors", (".pth", ".pt")
SUFFIXES = (PDPARAMS, SAFETENSORS, *TORCH)
SAFETENSORS_DTYPES = {"F16": "<f2", "F32": "<f4", "F64": "<f8", "BF16": "<u2", "I32": "<i4", "I64": "<i8"}
WRAPPERS = ("state_dict", "model")  # keys that other programs keep the weights under, beside what else they keep
STATES = ".pdstates"  # of a checkpoint: what its run says of the weights beside
HUB = "hf-hub:"
RETRIES, RETRY_SECONDS = 3, 0.2


def find_weights(path: Union[str, Path]) -> Path:
    """Return the file that a path, or a prefix such as `output/ResNet50/best_model`, stands for."""
    path = _checkpoint_of(path)
    has_suffix, kinds = str(path).endswith(SUFFIXES), ", ".join(SUFFIXES)
    for suffix in ("",) if has_suffix else SUFFIXES:
        if Path(f"{path}{suffix}").is_file():
            return Path(f"{path}{suffix}")
    if not has_suffix and Path(path).is_file():
        raise CheckpointError(f"{path}: not a file of weights by its suffix; give one of {kinds}")
    tried = "" if has_suffix else f"; tried the suffixes {kinds}"
    raise CheckpointError(f"{path}: no weights there{tried}; give a file or its prefix")


def _checkpoint_of(path: Union[str, Path]) -> Union[str, Path]:
    """Return the checkpoint `best_model` where PaddleClas would have written its student to `best_model_student`."""
    whole = Path(f"{str(path).removesuffix(PDPARAMS).removesuffix('_student')}{PDPARAMS}")
    named = Path(f"{str(path).removesuffix(PDPARAMS)}{PDPARAMS}")
    return whole if whole != named and whole.is_file() and not named.is_file() else path


def is_remote(source: str) -> bool:
    """Return whether a source of weights is a URL or a `hf-hub:OWNER/NAME`."""
    return source.startswith(("http://", "https://", HUB))


def download(source: str) -> Path:
    """Return a copy of the file of weights at a URL or of a `hf-hub:`, kept in `$PPCLS_HOME/weights` (see `fetch`).

    Raises: CheckpointError.
    """
    url = _address_on_hub(source) if source.startswith(HUB) else source
    name = name_of(url)
    if not name.endswith(SUFFIXES):
        raise CheckpointError(f"{url}: not a file of weights; its name is '{name}'; give one of {', '.join(SUFFIXES)}")
    return fetch(url, "weights", read_weights, CheckpointError)


def _address_on_hub(source: str) -> str:
    """Return the URL of `hf-hub:OWNER/NAME`, perhaps with `@REVISION`, and with a checksum `#sha256=...`."""
    match = re.fullmatch(r"([\w.-]+/[\w.-]+)(?:@([\w./-]+))?(#.*)?", source[len(HUB) :])
    if match is None:
        raise CheckpointError(
            f"{source}: not a model on the hub; write {HUB}OWNER/NAME, or {HUB}OWNER/NAME@REVISION#sha256=..."
        )
    name, revision, checksum = match.groups()
    return f"https://huggingface.co/{name}/resolve/{revision or 'main'}/model{SAFETENSORS}{checksum or ''}"


def read_weights(path: Path) -> Arrays:
    """Read a file of weights, or those in a file that has them under one of WRAPPERS; bfloat16 comes as uint16.

    Raises: CheckpointError if it isn't one.
    """
    content = _read(path)
    arrays = next((content[name] for name in WRAPPERS if isinstance(content.get(name), dict)), content)
    others = [str(name) for name, array in arrays.items() if not isinstance(name, str) or not _is_real(array)]
    if others or not arrays:
        what = f"{listed(others)}: no arrays" if others else "no arrays in it"
        kind = "PyTorch file" if path.suffix in TORCH else "file"
        raise CheckpointError(
            f"{path}: not a {kind} of weights; {what}; give the weights of a model, alone or as '{WRAPPERS[0]}'"
        )
    return arrays


def _is_real(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "biuf"


def _read(path: Path) -> dict[str, Any]:
    if path.suffix in TORCH:
        return torch_file.read(path)
    return _read_safetensors(path) if path.suffix == SAFETENSORS else pdparams.read(path)


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


def about(weights: Union[str, Path]) -> Mapping[str, Any]:
    """Return what the `.pdstates` beside a weights file says of it; empty for weights that came without one.

    Raises: CheckpointError if that can't be read, or tells of other weights.
    """
    prefix = str(_checkpoint_of(weights)).removesuffix(PDPARAMS)
    file, states = Path(f"{prefix}{PDPARAMS}"), Path(f"{prefix}{STATES}")
    if not states.is_file() or not file.is_file():
        return {}
    for _ in range(RETRIES):
        found = pdparams.read(states)
        checksums = found.get("sha256")
        if not isinstance(checksums, dict) or checksums.get(PDPARAMS) in (None, sha256_of(file)):
            return found
        time.sleep(RETRY_SECONDS)  # a running training may be replacing both
    raise CheckpointError(
        f"{file}: not the file that {states.name} beside it tells of (its checksum does not fit); it is damaged or of "
        f"another run; get it again, or remove {states.name} if it is meant all the same"
    )


def saved_names(weights: Union[str, Path]) -> list[str]:
    """Return the names of the classes that the weights were trained on; empty where they came without."""
    names = about(weights).get("label_names")
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else []


def listed(names: list[str]) -> str:
    """Return the first ten names, in ASCII, and how many more there are."""
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(ascii(name)[1:-1] for name in names[:10]) + more
