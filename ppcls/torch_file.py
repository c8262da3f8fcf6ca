"""Read files of torch.save without PyTorch, and without running what they say.

Source: the form of PyTorch 1.6 and later (torch/serialization.py): an uncompressed zip file with a pickle
`NAME/data.pkl`, whose persistent ids mean the bytes in `NAME/data/KEY`.
"""

import io
import math
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Callable, Optional

import numpy as np
from numpy.typing import NDArray

from ppcls import pickles
from ppcls.errors import CheckpointError

Array = NDArray[Any]

# What the form before 1.6 begins with: a pickled number.
OLD_START = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."

# RuntimeError: of encrypted files, and of those that are compressed in another way.
_UNREADABLE = (pickle.UnpicklingError, zipfile.BadZipFile, EOFError, LookupError, RuntimeError, ValueError)

# bfloat16 comes as uint16, as in Paddle's files.
DTYPES = {
    "BFloat16": "u2",
    "Bool": "?",
    "Byte": "u1",
    "Char": "i1",
    "Double": "f8",
    "Float": "f4",
    "Half": "f2",
    "Int": "i4",
    "Long": "i8",
    "Short": "i2",
}


def read(path: Path) -> dict[str, Any]:
    """Return the mapping in the file: tensors as arrays, all else as written; bfloat16 as uint16.

    Raises: CheckpointError if the file can't be read, or holds anything but tensors and plain values.
    """
    try:
        with path.open("rb") as file:
            if not zipfile.is_zipfile(file):
                file.seek(0)
                raise _not_a_zip(path, is_old=file.read(len(OLD_START)) == OLD_START)
            with zipfile.ZipFile(file) as archive:
                values = _Archive(archive, path.stat().st_size).read()
                if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
                    raise pickle.UnpicklingError("it does not hold a mapping of names")
    except OSError as error:
        raise CheckpointError(f"{path}: can't be read; {error.strerror}; give a readable file") from error
    except _UNREADABLE as error:
        what = f"{path}: not a PyTorch file of weights, or damaged; {pickles.reason_of(error)}"
        raise CheckpointError(f"{what}; save model.state_dict() alone") from error
    return values


def _not_a_zip(path: Path, *, is_old: bool) -> CheckpointError:
    if is_old:
        return CheckpointError(
            f"{path}: in the form of PyTorch before 1.6, which is not read here; convert it with PyTorch: "
            "torch.save(torch.load(path, weights_only=True), new_path)"
        )
    return CheckpointError(f"{path}: not a PyTorch file or damaged; it is not a zip file; download it again")


class _Archive:
    """The zip file of one torch.save."""

    def __init__(self, archive: zipfile.ZipFile, size: int) -> None:
        self.archive = archive
        self.bytes_left = size  # of all members together: they may claim the same bytes
        names = [name for name in archive.namelist() if name.count("/") == 1 and name.endswith("/data.pkl")]
        if len(names) != 1:
            raise pickle.UnpicklingError("it has no data.pkl")
        self.folder = names[0].partition("/")[0]
        order = self.member("byteorder") if f"{self.folder}/byteorder" in archive.namelist() else b"little"
        self.byte_order = {b"little": "<", b"big": ">"}[order]
        self.storages: dict[str, bytes] = {}

    def read(self) -> Any:
        text = io.BytesIO(self.member("data.pkl"))
        return pickles.load(text, FUNCTIONS, self.storage, num_found_bytes=self.bytes_left)

    def member(self, name: str) -> bytes:
        info = self.archive.getinfo(f"{self.folder}/{name}")
        self.bytes_left -= info.file_size
        if info.compress_type != zipfile.ZIP_STORED or self.bytes_left < 0:
            raise pickle.UnpicklingError(f"{info.filename!a} is compressed, which torch.save does not do")
        return self.archive.read(info)

    def storage(self, found: Any) -> Array:
        """Return all numbers of a storage, for its persistent id."""
        kind, of_type, key, _, num_numbers = found
        if kind != "storage" or not isinstance(of_type, pickles.Global) or not isinstance(key, str):
            raise pickle.UnpicklingError("it has an unknown persistent id")
        dtype = np.dtype(self.byte_order + DTYPES[of_type.name[len("torch.") : -len("Storage")]])
        if key not in self.storages:
            self.storages[key] = self.member(f"data/{key}")
        raw = self.storages[key]
        if len(raw) != num_numbers * dtype.itemsize:
            raise pickle.UnpicklingError(f"data/{key!a} has {len(raw)} bytes")
        numbers: Array = np.ndarray([num_numbers], dtype, raw)
        return numbers


def _tensor(storage: Any, start: Any, shape: Any, strides: Any, *_: Any) -> Array:
    """Return the array of a tensor: numbers of its storage, which it may share."""
    if not isinstance(storage, np.ndarray) or not all(type(n) is int and n >= 0 for n in (start, *shape, *strides)):
        raise pickle.UnpicklingError("it has a damaged tensor")
    if math.prod(shape) > storage.size:  # as a stride of 0 can make any number of elements of one
        raise pickle.UnpicklingError(f"it has a tensor of more elements than are stored ({storage.size})")
    steps = [stride * storage.itemsize for stride in strides]
    tensor: Array = np.ndarray(shape, storage.dtype, storage, start * storage.itemsize, steps)
    return tensor


def _parameter(tensor: Any, *_: Any) -> Any:
    return tensor


def _size(lengths: Any) -> Any:
    return lengths


FUNCTIONS: Mapping[str, Optional[Callable[..., Any]]] = {
    "collections.OrderedDict": pickles.mapping,
    "torch.Size": _size,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    **{f"torch.{name}Storage": None for name in DTYPES},
}
