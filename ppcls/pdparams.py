"""Read and write `.pdparams`, `.pdopt` and `.pdstates` files: pickles in the forms of paddle.save.

They are read without running what they say (see `pickles`), so that a file from anywhere does no harm.
"""

import pickle
import re
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Callable, Optional, Union

import numpy as np
from numpy.typing import NDArray

from ppcls import pickles
from ppcls.errors import CheckpointError
from ppcls.files import replacing

Array = NDArray[Any]


def read(path: Union[str, Path]) -> dict[str, Any]:
    """Return the mapping in the file: tensors as writable numpy arrays, all else as written.

    bfloat16 comes as uint16, as Paddle writes it. A list of one mapping, as PaddleClas writes the state of
    its optimizers, gives that mapping.
    Raises: CheckpointError if the file can't be read, or holds anything but arrays and plain values.
    """
    try:
        with open(path, "rb") as file:
            return read_from(file, str(path))
    except OSError as error:
        raise CheckpointError(f"{path}: can't be read; {error.strerror}; give a readable file") from error


def read_from(file: BinaryIO, name: str) -> dict[str, Any]:
    """Return the mapping in an open file, as `read` does; `name` is for messages. Raises: CheckpointError."""
    try:
        values = _plain(pickles.load(file, FUNCTIONS), reading=True)
        if isinstance(values, list) and len(values) == 1:
            values = values[0]
        if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
            raise TypeError("it does not hold a mapping of names")
        _join_slices(values)
    except (pickle.UnpicklingError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{name}: not a weights file or damaged; {error}; give a file that paddle.save wrote"
        ) from error
    values.pop("StructuredToParameterName@@", None)
    return values


def write(path: Union[str, Path], mapping: Mapping[str, Any]) -> None:
    """Write arrays and plain values: dict, list, tuple, str, bytes, numbers, None.

    The file is replaced as a whole or not at all. paddle.load reads all but bytes and the
    arrays that no tensor can hold, such as uint32.
    Raises: CheckpointError if the file can't be written, TypeError for a value of another type.
    """
    values = _plain(dict(mapping))
    with replacing(path) as file:
        pickle.dump(values, file, protocol=4)


class _Dtype(pickles.Unfinished):
    """Stands for numpy.dtype while a file is read; numpy's own takes states that crash it."""

    def __init__(self, code: Any, align: Any = False, copy: Any = False) -> None:
        if not isinstance(code, str) or not re.fullmatch("[biufc][0-9]{1,2}", code):
            raise pickle.UnpicklingError("it holds an array of another type than numbers")
        self.value = np.dtype(code)

    def build(self, state: Any) -> None:
        if type(state) is not tuple or state[1] not in ("<", ">", "=", "|"):
            raise pickle.UnpicklingError("it holds an array of an unknown byte order")
        self.value = self.value.newbyteorder(state[1])


class _Array(pickles.Unfinished):
    """Stands for a numpy.ndarray while a file is read."""

    def __init__(self, *_: Any) -> None:
        pass

    def build(self, state: Any) -> None:
        _, shape, dtype, fortran, raw = state
        self.value = _array(raw, shape, dtype, "F" if fortran is True else "C")


def _array(raw: Any, shape: Any, dtype: Any, order: Any) -> Array:
    sound = type(dtype) is _Dtype and type(shape) is tuple and all(type(n) is int and n >= 0 for n in shape)
    if not sound or type(raw) not in (bytes, bytearray, str):
        raise pickle.UnpicklingError("it holds a damaged array")
    data = raw.encode("latin1") if type(raw) is str else raw  # text: of Python 2
    return np.array(np.ndarray(shape, dtype.value, data, order=order))


def _scalar(dtype: Any, raw: Any) -> Any:
    return _array(raw, (), dtype, "C")[()]


def _encode(text: Any = "", encoding: Any = "latin1") -> bytes:
    if type(text) is not str:
        raise pickle.UnpicklingError("it encodes something that is not text")
    return text.encode("latin1")


def _tuple(items: Any) -> tuple[Any, ...]:
    if type(items) is not tuple:
        raise pickle.UnpicklingError("it makes a tuple of something else")
    return items


FUNCTIONS: dict[str, Optional[Callable[..., Any]]] = {
    "numpy.ndarray": None,
    "numpy.dtype": _Dtype,
    "collections.OrderedDict": pickles.mapping,
    # Protocols 2 and 3 spell bytes as encoded text, or as bytes() if there are none.
    "_codecs.encode": _encode,
    "builtins.bytes": lambda: b"",
    "builtins.tuple": _tuple,
}
for _core in ("numpy.core", "numpy._core"):
    FUNCTIONS[f"{_core}.multiarray._reconstruct"] = _Array
    FUNCTIONS[f"{_core}.multiarray.scalar"] = _scalar
    FUNCTIONS[f"{_core}.numeric._frombuffer"] = lambda raw, dtype, shape, order: _array(raw, shape, dtype, order)


def _plain(value: Any, *, reading: bool = False) -> Any:
    """Return `value` with containers copied, and in `reading` pairs that stand for tensors as arrays.

    Raises: TypeError for other types.
    """
    kind = type(value)
    if kind in (dict, OrderedDict):
        return {_plain(key): _plain(item, reading=reading) for key, item in value.items()}
    if kind is list:
        return [_plain(item, reading=reading) for item in value]
    if kind is tuple:
        is_tensor = [type(item) for item in value] == [str, np.ndarray]  # how Paddle 2.1 and later write one
        if is_tensor and not reading:
            raise TypeError("a pair of a name and an array would be read back as a tensor")
        return value[1] if is_tensor else tuple(_plain(item, reading=reading) for item in value)
    if kind in (str, bytes, bool, int, float, type(None)):
        return value
    if (kind is np.ndarray or isinstance(value, np.generic)) and value.dtype.kind in "biufc":
        return value
    raise TypeError(f"it holds a value of type {kind.__name__}")


def _join_slices(values: dict[str, Any]) -> None:
    """Put arrays together that paddle.save cut because protocols below 4 can't hold 4 GiB."""
    for key, cut in values.pop("UnpackBigParamInfor@@", {}).items():
        slices = [values.pop(part) for part in cut["slices"]]
        values[key] = np.concatenate(slices).reshape(cut["OriginShape"])
