"""Where all randomness of the data comes from: one independent stream for each thing that is drawn."""

from typing import Literal

import numpy as np

_PURPOSES = ("shuffle", "sample", "batch", "scales")


def stream(
    purpose: Literal["shuffle", "sample", "batch", "scales"], *, seed: int, epoch: int, number: int = 0
) -> np.random.Generator:
    """Return the generator of one sample or one batch, of an epoch's order, or of the sizes of its images.

    It depends on the arguments alone: workers, batch size, ranks and resuming don't change what is drawn.
    Philox counts instead of stepping: any stream starts at once, and none runs into another.
    """
    key, counter = [seed, epoch], [0, 0, number, _PURPOSES.index(purpose)]
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


class SampleStreams:
    """The generators of samples, one after another: those of `stream`, made in a tenth of the time."""

    def __init__(self, seed: int) -> None:
        self._generator = stream("sample", seed=seed, epoch=0)
        self._fresh = self._generator.bit_generator.state

    def of(self, *, epoch: int, number: int) -> np.random.Generator:
        """Return the generator of a sample; the one before is at its end."""
        self._fresh["state"]["key"][1] = epoch
        self._fresh["state"]["counter"][2] = number
        self._generator.bit_generator.state = self._fresh
        return self._generator
