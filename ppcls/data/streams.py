"""Where all randomness of the data comes from: one independent stream for each thing that is drawn."""

from typing import Literal

import numpy as np

_PURPOSES = ("shuffle", "sample", "batch", "finish")


def stream(
    purpose: Literal["shuffle", "sample", "batch", "finish"], *, seed: int, epoch: int, number: int = 0
) -> np.random.Generator:
    """Return the generator of a sample (as it is read, as its batch is finished), of a batch, or of an epoch's order.

    It depends on the arguments alone: workers, batch size, ranks and resuming don't change what is drawn.
    Philox counts instead of stepping: any stream starts at once, and none runs into another.
    """
    key, counter = [seed, epoch], [0, 0, number, _PURPOSES.index(purpose)]
    return np.random.Generator(np.random.Philox(key=key, counter=counter))
