"""The memory of finished batches, which goes from the workers to the training loop without a copy."""

import math
import weakref
from collections import deque
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.floating[Any]]

# The batch at hand, and the one before, which a loop variable holds until it gets the next.
MOST_LENT = 2


class Slots(NamedTuple):
    """The form of the memory: so many `batches`, each of at most the `batch_shape` [batch, channels, height, width]."""

    batches: int
    batch_shape: tuple[int, ...]
    dtype: type[np.floating[Any]]

    @property
    def batch_bytes(self) -> int:
        """Bytes of one slot."""
        return math.prod(self.batch_shape) * np.dtype(self.dtype).itemsize

    @property
    def all_bytes(self) -> int:
        """Bytes of all slots."""
        return self.batches * self.batch_bytes

    def flat(self, memory: memoryview, slot: int) -> Images:
        """Return the numbers of a slot. Every view of them keeps this array alive, as none goes past it."""
        return np.frombuffer(memory[slot * self.batch_bytes : (slot + 1) * self.batch_bytes], self.dtype)

    def images(self, memory: memoryview, slot: int, shape: tuple[int, ...]) -> Images:
        """Return the images of a slot, a batch of this shape."""
        return self.flat(memory, slot)[: math.prod(shape)].reshape(shape)


class Lending:
    """Which slots are free. One that was lent is so again once nobody holds its images any more."""

    def __init__(self, slots: Slots, memory: memoryview) -> None:
        self.free: deque[int] = deque(range(slots.batches))
        self._slots = slots
        self._memory = memory
        self._lent: set[int] = set()

    def reset(self) -> None:
        """Make all slots free but those that are lent."""
        self.free = deque(slot for slot in range(self._slots.batches) if slot not in self._lent)

    def lend(self, slot: int, shape: tuple[int, ...]) -> Images:
        """Return the images of a slot, a batch of this shape; a copy if too many slots are lent."""
        if len(self._lent) == MOST_LENT:
            self.free.append(slot)
            images: Images = self._slots.images(self._memory, slot, shape).copy()
            return images
        flat = self._slots.flat(self._memory, slot)
        self._lent.add(slot)
        finalizer: Any = weakref.finalize(flat, self._take_back, slot)  # mypy 1 does not know that `atexit` can be set
        finalizer.atexit = False
        return flat[: math.prod(shape)].reshape(shape)

    def _take_back(self, slot: int) -> None:
        self._lent.discard(slot)
        self.free.append(slot)
