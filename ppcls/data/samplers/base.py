"""Which samples make which batch: a pure function of seed, epoch, rank and world size.

A sampler gives numbers of draws. A draw's sample is its number modulo the number of samples; what is drawn again in
an epoch gets a number of its own, and so another augmentation.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional, Union

import numpy as np
from numpy.typing import NDArray

from ppcls.data.loader.streams import stream
from ppcls.registry import Shared

Draws = NDArray[np.int64]
Labels = Union[Sequence[int], NDArray[Any]]


@dataclass(frozen=True)
class Batching(Shared):
    """`batch_size` counts the samples of one rank; `drop_last` drops the smaller last global batch."""

    batch_size: int
    drop_last: bool = False
    shuffle: bool = False

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ValueError(f"batch_size: must be at least 1; received {self.batch_size}")


@dataclass(frozen=True)
class ShuffledBatching(Batching):
    """The same, shuffled unless the config says otherwise."""

    shuffle: bool = True


class DistributedBatchSampler:
    """Cuts each epoch's order into global batches of `world_size * batch_size` samples, and these among the ranks.

    So a run on many ranks sees the same global batches as one process with the global batch size.
    The last global batch may be smaller, and each rank takes an equal share of it. For training it is padded
    with the epoch's first samples to a multiple of `world_size`, as all ranks must take the same number of steps.
    With `exact`, for evaluation, nothing is padded: each sample comes once on one rank.
    """

    # Image sizes (height, width) other than those that the transforms state, each with its batch size.
    sizes: Mapping[tuple[int, int], int] = {}

    def __init__(self, labels: Labels, seed: int, rank: int, world_size: int, exact: bool, batching: Batching) -> None:
        batch_size, drop_last = batching.batch_size, batching.drop_last
        if exact and drop_last:
            raise ValueError("drop_last: an evaluation must see every sample; received True; set it to False")
        self.batch_size = batch_size
        self.rank = rank
        self.world_size = world_size
        self.exact = exact
        self._num_samples = len(labels)
        self._seed = seed
        self._shuffle = batching.shuffle
        self._num_draws = self._draws_an_epoch()
        self._full, rest = divmod(self._num_draws, world_size * batch_size)
        # This rank's part of the last global batch.
        share = 0 if drop_last else math.ceil(rest / world_size)
        start, stop = rank * share, (rank + 1) * share
        self._last = range(min(start, rest), min(stop, rest)) if exact else range(start, stop)
        if self._num_draws == 0 or (drop_last and not self._full):
            raise ValueError(
                f"batch_size: an epoch has no batch; received {self._num_draws} samples for {world_size} ranks of "
                f"batch_size {batch_size}, drop_last {drop_last}; lower batch_size or set drop_last to False"
            )

    def __len__(self) -> int:
        """Return the number of batches of this rank in an epoch."""
        return self._full + bool(self._last)

    def size(self, batch: int) -> int:
        """Return the number of samples in one of this rank's batches."""
        return self.batch_size if batch < self._full else len(self._last)

    def image_size(self, batch: int) -> Optional[tuple[int, int]]:
        """Return the size (height, width) of the images in a batch, one of `sizes`; None: what the transforms state."""
        return None

    def batches(self, epoch: int, *, skip: int = 0) -> Iterator[Draws]:
        """Yield the draws of this rank's batches, from batch number `skip` on."""
        order = self._order(stream("shuffle", seed=self._seed, epoch=epoch))
        for batch in range(skip, self._full):
            start = (batch * self.world_size + self.rank) * self.batch_size
            yield order[start : start + self.batch_size]
        if self._last and skip <= self._full:
            tail = self._full * self.world_size * self.batch_size + np.array(self._last)
            yield order[tail % self._num_draws]

    def _draws_an_epoch(self) -> int:
        return self._num_samples

    def _order(self, rng: np.random.Generator) -> Draws:
        """Return the draws of an epoch, in their order."""
        return self._shuffled(np.arange(self._num_samples), rng)

    def _shuffled(self, numbers: Draws, rng: np.random.Generator) -> Draws:
        return rng.permutation(numbers) if self._shuffle else numbers


BatchSampler = DistributedBatchSampler


class RepeatedAugSampler(DistributedBatchSampler):
    """Takes each sample `num_repeats` times in a row, so that a batch holds several augmentations of it.

    An epoch has no more draws for that: it has a part of the samples. Their number is rounded down to a multiple of
    `selected_round`, where there are as many. In full batches the repetitions are on different ranks.

    Source: Hoffer et al. 2019 (arXiv:1901.09335); Berman et al. 2019 (arXiv:1902.05509).
    """

    def __init__(
        self,
        labels: Labels,
        seed: int,
        rank: int,
        world_size: int,
        exact: bool,
        batching: Batching,
        *,
        num_repeats: int = 3,
        selected_round: int = 256,
    ) -> None:
        for name, value in {"num_repeats": num_repeats, "selected_round": selected_round}.items():
            if value < 1:
                raise ValueError(f"{name}: must be at least 1; received {value}")
        for_training(exact)
        self._repeats = num_repeats
        self._round = selected_round
        super().__init__(labels, seed, rank, world_size, exact, batching)

    def _draws_an_epoch(self) -> int:
        return self._num_samples - self._num_samples % self._round or self._num_samples

    def _order(self, rng: np.random.Generator) -> Draws:
        repeats = self._num_samples * np.arange(self._repeats)
        draws = (super()._order(rng)[:, None] + repeats).reshape(-1)[: self._num_draws]
        full = self._full * self.world_size * self.batch_size
        dealt = draws[:full].reshape(self._full, self.batch_size, self.world_size).swapaxes(1, 2)
        return np.concatenate([dealt.reshape(-1), draws[full:]])


class ClassAwareSampler(DistributedBatchSampler):
    """Takes all classes equally often, for training sets where some are rare.

    An epoch is a series of rounds, each with one sample of every class that occurs; it has as many draws as there
    are samples. A class goes through all its samples before one comes again; without `shuffle` in their order.

    Source: Shen et al. 2016 (arXiv:1512.05830).
    """

    def __init__(
        self, labels: Labels, seed: int, rank: int, world_size: int, exact: bool, batching: ShuffledBatching
    ) -> None:
        for_training(exact)
        if np.ndim(labels) != 1:
            raise ValueError(
                f"labels: it needs one class per image; received {np.shape(labels)[-1]}; use another sampler"
            )
        super().__init__(labels, seed, rank, world_size, exact, batching)
        _, self._members = by_label(labels)

    def _order(self, rng: np.random.Generator) -> Draws:
        classes = self._passes(np.arange(len(self._members)), self._num_draws, rng)
        draws_of_class = np.bincount(classes, minlength=len(self._members))
        places = np.split(np.argsort(classes, kind="stable"), np.cumsum(draws_of_class)[:-1])
        draws = np.empty(self._num_draws, np.int64)
        for members, where in zip(self._members, places):
            passes = np.arange(len(where)) // len(members)
            draws[where] = self._passes(members, len(where), rng) + passes * self._num_samples
        return draws

    def _passes(self, numbers: Draws, count: int, rng: np.random.Generator) -> Draws:
        """Return `count` of the numbers, each time all of them before one comes again."""
        passes = np.tile(numbers, (math.ceil(count / len(numbers)), 1))
        return (rng.permuted(passes, axis=1) if self._shuffle else passes).reshape(-1)[:count]


def by_label(labels: Labels) -> tuple[NDArray[Any], list[Draws]]:
    """Return the labels that occur, in their order, and the numbers of the samples that have each."""
    known, sizes = np.unique(labels, return_counts=True)
    return known, np.split(np.argsort(labels, kind="stable"), np.cumsum(sizes)[:-1])


def for_training(exact: bool) -> None:
    """Raise ValueError for an evaluation."""
    if exact:
        raise ValueError(
            "it is for training; received it for an evaluation, which must see every sample once; "
            "use DistributedBatchSampler"
        )
