"""Pickles read without running what they say.

Python's unpickler calls what a file names, hands objects states that crash them, takes any memory that a length
asks for, and hashes any key, however long that takes. This one is a stack machine of its own: for the opcodes that
mappings, lists and arrays are written with, with calls to its caller's functions alone, and within limits.
"""

import io
import pickle
import pickletools
from collections.abc import Mapping
from typing import Any, BinaryIO, Callable, Optional

# Opcodes of a file, and values that it comes to: CIFAR-100 has some 200,000, the state of a large optimizer 100,000.
MAX_OPCODES = MAX_VALUES = 500_000
MAX_REASON = 300  # characters of a message

# What a damaged or hostile file was seen to raise here and in the functions that it may call.
_UNREADABLE = (
    pickle.UnpicklingError,
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)
_KEYS = (str, bytes, bool, int, float, type(None))

Functions = Mapping[str, Optional[Callable[..., Any]]]


class Global:
    """A name in a pickle; nothing was imported for it."""

    def __init__(self, name: str) -> None:
        self.name = name


class Unfinished:
    """What a call gave whose state comes later, by `build`; in the end its `value` takes its place."""

    value: Any = None

    def build(self, state: Any) -> None:
        """Take the state."""
        raise NotImplementedError


def load(
    file: BinaryIO, functions: Functions, found: Optional[Callable[[Any], Any]] = None, *, num_found_bytes: int = 0
) -> Any:
    """Return what the pickle in a file comes to: a tree, in which nothing stands at two places but leaves.

    The file may name the keys of `functions`, and call those that are not None; `found` gives what its persistent ids
    stand for, `num_found_bytes` in all. Attributes of mappings are ignored.
    Raises: pickle.UnpicklingError if the file is damaged, or asks for anything else.
    """
    try:
        machine = _Machine(_Bounded(file), functions, found, num_found_bytes)
        return machine.tree(machine.run())
    except _UNREADABLE as error:
        raise pickle.UnpicklingError(reason_of(error)) from error


def reason_of(error: Exception) -> str:
    """Return what an error says, in one line of bounded length; its type too where it is none of ours."""
    text = str(error) if isinstance(error, pickle.UnpicklingError) else f"{type(error).__name__}: {error}"
    return " ".join(text[:MAX_REASON].split())


class _Bounded:
    """A file that gives no more than it holds; a read of any length would first take that much memory."""

    def __init__(self, file: BinaryIO) -> None:
        start = file.tell()
        self.size = file.seek(0, io.SEEK_END) - start
        file.seek(start)
        self.left = self.size
        self.file = file

    def read(self, length: int) -> bytes:
        if not 0 <= length <= self.left:
            raise pickle.UnpicklingError(f"{length} bytes are needed where {self.left} are left")
        self.left -= length
        return self.file.read(length)

    def readline(self) -> bytes:
        line = self.file.readline()
        self.left -= len(line)
        return line


class _Machine:
    """Carries out the opcodes of one file."""

    def __init__(
        self, file: _Bounded, functions: Functions, found: Optional[Callable[[Any], Any]], num_found_bytes: int
    ) -> None:
        self.file, self.functions, self.found = file, functions, found
        self.stack: list[Any] = []
        self.below_marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.values_left = MAX_VALUES
        # Once as bytes that were text, once as an array, and to spare.
        self.bytes_left = 3 * (file.size + num_found_bytes) + 4096

    def run(self) -> Any:
        """Return what is on the stack in the end."""
        for _ in range(MAX_OPCODES):
            code = self.file.read(1)
            if code == pickle.STOP:
                return self.stack.pop()
            if code not in _OPCODES:
                raise pickle.UnpicklingError(f"it has the opcode {code!a}, which no weights need")
            read_argument, act = _OPCODES[code]
            act(self, read_argument(self.file))
        raise pickle.UnpicklingError(f"it has more than {MAX_OPCODES:,} opcodes")

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop(self, number: int) -> list[Any]:
        """Take the last so many values from the stack, in their order."""
        return [self.stack.pop() for _ in range(number)][::-1]

    def mark(self) -> None:
        self.below_marks.append(self.stack)
        self.stack = []

    def since_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.below_marks.pop()
        return items

    def extend(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise pickle.UnpicklingError("it appends to something that is not a list")
        self.stack[-1].extend(items)

    def update(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not dict or len(items) % 2:
            raise pickle.UnpicklingError("it sets an item of something that is not a mapping")
        self.stack[-1].update(mapping(zip(items[::2], items[1::2])))

    def name(self, module: Any, of_module: Any) -> None:
        if type(module) is not str or type(of_module) is not str:
            raise pickle.UnpicklingError("it asks for something without a name")
        name = f"{module}.{of_module}".replace("__builtin__.", "builtins.")
        if name not in self.functions:
            raise pickle.UnpicklingError(f"it asks for {name!a}, which no weights need")
        self.stack.append(Global(name))

    def call(self, function: Any, arguments: Any) -> None:
        known = self.functions[function.name] if type(function) is Global else None
        if known is None or type(arguments) is not tuple:
            raise pickle.UnpicklingError("it calls something that is not a function")
        self.stack.append(known(*arguments))
        self.count(self.stack[-1])

    def build(self, state: Any) -> None:
        target = self.stack[-1]
        if isinstance(target, Unfinished):
            target.build(state)
            self.count(target.value)
        elif type(target) is not dict:
            raise pickle.UnpicklingError("it gives a state to something that has none")

    def count(self, made: Any) -> None:
        """Count what a function has made, against one that makes much of the same few bytes again and again."""
        self.bytes_left -= len(made) if type(made) is bytes else getattr(made, "nbytes", 0)
        self.values_left -= len(made) if type(made) is dict else 0
        if self.bytes_left < 0 or self.values_left < 0:
            raise pickle.UnpicklingError("it makes more of its content than weights do")

    def find(self, key: Any) -> None:
        if self.found is None:
            raise pickle.UnpicklingError("it asks for something that is not in the file")
        self.push(self.found(key))

    def tree(self, value: Any) -> Any:
        """Return `value` with containers copied, so that shared ones can't multiply for whoever walks through it."""
        self.values_left -= 1
        if self.values_left < 0:
            raise pickle.UnpicklingError(f"it comes to more than {MAX_VALUES:,} values")
        if type(value) is dict:
            return {key: self.tree(item) for key, item in value.items()}
        if type(value) in (list, tuple):
            return type(value)([self.tree(item) for item in value])
        return value.value if isinstance(value, Unfinished) else value


def _names(file: _Bounded) -> list[str]:
    return [file.readline().decode().rstrip("\n") for _ in range(2)]


_ACTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "PROTO": lambda m, _: None,
    "FRAME": lambda m, _: None,
    "NONE": lambda m, _: m.push(None),
    "NEWTRUE": lambda m, _: m.push(True),
    "NEWFALSE": lambda m, _: m.push(False),
    **dict.fromkeys(
        "INT BININT BININT1 BININT2 LONG1 LONG4 BINFLOAT BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINSTRING "
        "SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8".split(),
        lambda m, value: m.push(value),
    ),
    "EMPTY_LIST": lambda m, _: m.push([]),
    "EMPTY_DICT": lambda m, _: m.push({}),
    "EMPTY_TUPLE": lambda m, _: m.push(()),
    "MARK": lambda m, _: m.mark(),
    "TUPLE": lambda m, _: m.push(tuple(m.since_mark())),
    "TUPLE1": lambda m, _: m.push(tuple(m.pop(1))),
    "TUPLE2": lambda m, _: m.push(tuple(m.pop(2))),
    "TUPLE3": lambda m, _: m.push(tuple(m.pop(3))),
    "APPEND": lambda m, _: m.extend(m.pop(1)),
    "APPENDS": lambda m, _: m.extend(m.since_mark()),
    "SETITEM": lambda m, _: m.update(m.pop(2)),
    "SETITEMS": lambda m, _: m.update(m.since_mark()),
    **dict.fromkeys(["BINPUT", "LONG_BINPUT"], lambda m, place: m.memo.__setitem__(place, m.stack[-1])),
    "MEMOIZE": lambda m, _: m.memo.__setitem__(len(m.memo), m.stack[-1]),
    **dict.fromkeys(["BINGET", "LONG_BINGET"], lambda m, place: m.push(m.memo[place])),
    "GLOBAL": lambda m, names: m.name(*names),
    "STACK_GLOBAL": lambda m, _: m.name(*m.pop(2)),
    "REDUCE": lambda m, _: m.call(*m.pop(2)),
    "BUILD": lambda m, _: m.build(*m.pop(1)),
    "BINPERSID": lambda m, _: m.find(*m.pop(1)),
}
# By its byte: what reads its argument, and what it does.
_OPCODES: dict[bytes, tuple[Callable[[Any], Any], Callable[[_Machine, Any], None]]] = {
    opcode.code.encode("latin1"): (opcode.arg.reader if opcode.arg else lambda file: None, _ACTIONS[opcode.name])
    for opcode in pickletools.opcodes
    if opcode.name in _ACTIONS
}
_OPCODES[pickle.GLOBAL] = (_names, _ACTIONS["GLOBAL"])  # pickletools would take their escapes for characters


def mapping(pairs: Any = ()) -> dict[Any, Any]:
    """Return pairs as a dict; other keys than text and numbers are refused before they are hashed, and a second one."""
    found = {}
    for key, value in pairs:
        if type(key) not in _KEYS or key in found:
            raise pickle.UnpicklingError(f"it has a key of type {type(key).__name__}, or one twice")
        found[key] = value
    return found
