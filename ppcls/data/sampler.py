"""Which samples make which batch: a pure function of seed, epoch, rank and world size."""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ppcls.data.streams import stream


class DistributedBatchSampler:
    """Cuts each epoch's order into global batches of `world * batch_size` samples, and these among the ranks.

    So a run on many ranks sees the same global batches as one process with the global batch size.
    The last global batch may be smaller, and each rank takes an equal share of it. For training it is padded
    with the epoch's first samples to a multiple of `world`, as all ranks must take the same number of steps.
    With `exact`, for evaluation, nothing is padded: each sample comes once on one rank.

    `batch_size` counts the samples of one rank; `drop_last` drops the smaller last global batch.
    """

    def __init__(
        self,
        num_samples: int,
        seed: int,
        rank: int,
        world: int,
        exact: bool,
        /,
        *,
        batch_size: int,
        drop_last: bool = False,
        shuffle: bool = False,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size: must be at least 1; received {batch_size}")
        if exact and drop_last:
            raise ValueError("drop_last: an evaluation must see every sample; received True; set it to False")
        self.batch_size = batch_size
        self.rank = rank
        self.world = world
        self._num_samples = num_samples
        self._seed = seed
        self.exact = exact
        self._shuffle = shuffle
        self._full, rest = divmod(num_samples, world * batch_size)
        # This rank's part of the last global batch.
        share = 0 if drop_last else math.ceil(rest / world)
        start, stop = rank * share, (rank + 1) * share
        self._last = range(min(start, rest), min(stop, rest)) if exact else range(start, stop)
        if num_samples == 0 or (drop_last and not self._full):
            raise ValueError(
                f"batch_size: an epoch has no batch; received {num_samples} samples for {world} ranks of "
                f"batch_size {batch_size}, drop_last {drop_last}; lower batch_size or set drop_last to False"
            )

    def __len__(self) -> int:
        """Return the number of batches of this rank in an epoch."""
        return self._full + bool(self._last)

    def batches(self, epoch: int, *, skip: int = 0) -> Iterator[NDArray[np.int64]]:
        """Yield the sample indices of this rank's batches, from batch number `skip` on."""
        order = np.arange(self._num_samples)
        if self._shuffle:
            stream("shuffle", seed=self._seed, epoch=epoch).shuffle(order)
        for batch in range(skip, self._full):
            start = (batch * self.world + self.rank) * self.batch_size
            yield order[start : start + self.batch_size]
        if self._last and skip <= self._full:
            tail = self._full * self.world * self.batch_size + np.array(self._last)
            yield order[tail % self._num_samples]


BatchSampler = DistributedBatchSampler
