"""Read and write `.pdparams`, `.pdopt` and `.pdstates` files: pickles in the forms of paddle.save.

An unpickler calls whatever a file names. This one rebuilds arrays itself and refuses every other global, so
that a file from anywhere can't run code. It may still ask for much memory.
"""

import functools
import pickle
import re
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Callable, Union

import numpy as np

from ppcls.errors import CheckpointError
from ppcls.files import replacing

Array = np.ndarray[Any, Any]

# What a damaged pickle was seen to raise, beside UnpicklingError.
_UNREADABLE = (
    pickle.UnpicklingError,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)


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
        # The encoding that paddle.load passes: files of Python 2 hold arrays' bytes as text.
        values = _plain(_Unpickler(file, encoding="latin1").load())
        if isinstance(values, list) and len(values) == 1:
            values = values[0]
        if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
            raise pickle.UnpicklingError("it holds no mapping of names")
        _join_slices(values)
    except _UNREADABLE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CheckpointError(
            f"{name}: not a weights file or damaged; {reason}; give a file that paddle.save wrote"
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


class _Dtype:
    """Stands for numpy.dtype while a file is read; numpy's own takes states that crash it."""

    def __init__(self, code: str, align: bool = False, copy: bool = False) -> None:
        if not re.fullmatch("[biufc][0-9]{1,2}", code):
            raise pickle.UnpicklingError(f"it holds an array of type '{code}'")
        self.dtype: np.dtype[Any] = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """Stands for a numpy.ndarray while a file is read."""

    array: Array

    def __setstate__(self, state: tuple[int, tuple[int, ...], _Dtype, bool, Union[bytes, str]]) -> None:
        _, shape, dtype, fortran, raw = state
        self.array = _array(raw, shape, dtype, "F" if fortran else "C")


def _array(raw: Union[bytes, str], shape: tuple[int, ...], dtype: _Dtype, order: Any) -> Array:
    data = raw.encode("latin1") if isinstance(raw, str) else raw
    return np.array(np.ndarray(shape, dtype.dtype, data, order=order))


def _scalar(dtype: _Dtype, raw: Union[bytes, str]) -> Any:
    return _array(raw, (), dtype, "C")[()]


def _encode(text: str = "", encoding: str = "latin1") -> bytes:
    return text.encode("latin1")


_GLOBALS: dict[str, Callable[..., Any]] = {
    "numpy.ndarray": _Array,
    "numpy.dtype": _Dtype,
    "collections.OrderedDict": OrderedDict,
    # Protocols 2 and 3 spell bytes as encoded text, or as bytes() if there are none.
    "_codecs.encode": _encode,
    "builtins.bytes": lambda: b"",
    "builtins.tuple": tuple,
}
for _module in ("numpy.core.multiarray", "numpy._core.multiarray"):
    _GLOBALS[f"{_module}._reconstruct"] = lambda subtype, shape, code: _Array()
    _GLOBALS[f"{_module}.scalar"] = _scalar


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        full_name = f"{module}.{name}".replace("__builtin__.", "builtins.")
        if full_name not in _GLOBALS:
            raise pickle.UnpicklingError(f"it asks for '{full_name}', which no weights need")
        # A fresh wrapper: a file may set attributes on what it gets.
        return functools.partial(_GLOBALS[full_name])


def _plain(value: Any) -> Any:
    """Return `value` with containers copied and stand-ins resolved. Raises TypeError for other types."""
    kind = type(value)
    if kind is _Array:
        return value.array
    if kind in (dict, OrderedDict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if kind is list:
        return [_plain(item) for item in value]
    if kind is tuple:
        if [type(item) for item in value] == [str, _Array]:  # how Paddle 2.1 and later write a tensor
            return value[1].array
        if [type(item) for item in value] == [str, np.ndarray]:
            raise TypeError("a pair of a name and an array would be read back as a tensor")
        return tuple(_plain(item) for item in value)
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
