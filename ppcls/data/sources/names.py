"""Many texts in little memory."""

import os
from collections.abc import Iterator, Sequence
from typing import Union, overload

import numpy as np
from numpy.typing import NDArray


class Names(Sequence[str]):
    """Paths or other texts as one block of bytes, which workers share.

    A million `str` objects would take 100 MB, and be copied to each worker.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self.ends = np.empty(len(texts), np.int64)
        block = bytearray()
        for place, text in enumerate(texts):
            block += os.fsencode(text)
            self.ends[place] = len(block)
        self.block = np.frombuffer(block, np.uint8)

    @classmethod
    def of(cls, block: NDArray[np.uint8], ends: NDArray[np.int64]) -> "Names":
        """Return the texts that a `block` and `ends` hold."""
        names = cls(())
        names.block, names.ends = block, ends
        return names

    def __len__(self) -> int:
        return len(self.ends)

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> "list[str]": ...

    def __getitem__(self, index: Union[int, slice]) -> Union[str, "list[str]"]:
        if isinstance(index, slice):
            return [self[place] for place in range(len(self))[index]]
        if not 0 <= index < len(self):
            raise IndexError(index)
        start = self.ends[index - 1] if index else 0
        return os.fsdecode(self.block[start : self.ends[index]].tobytes())

    def __iter__(self) -> Iterator[str]:
        return map(self.__getitem__, range(len(self)))
