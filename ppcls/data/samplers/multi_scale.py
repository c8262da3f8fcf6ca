"""Batches of images of several sizes."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Optional, Union

import numpy as np

from ppcls.data.loader.streams import stream
from ppcls.data.samplers.base import Batching, DistributedBatchSampler, Draws, Labels, for_training


class MultiScaleSampler(DistributedBatchSampler):
    """Each batch has images of one of the `scales`, drawn at random: sides, or pairs (width, height), in pixels.

    They are rounded down to multiples of `divided_factor`. A batch of the first scale has `first_bs` samples of each
    rank, one of another scale so many that it has about as many pixels. The scales come in the same order in every
    epoch; the last batch is filled up with the first samples. With `is_training: False` there is only the first scale.

    Source: Mehta and Rastegari 2021 (arXiv:2110.02178), section 3.3.
    """

    def __init__(
        self,
        labels: Labels,
        seed: int,
        rank: int,
        world_size: int,
        exact: bool,
        *,
        scales: Sequence[Union[int, tuple[int, int]]],
        first_bs: int,
        divided_factor: int = 32,
        is_training: bool = True,
    ) -> None:
        for_training(exact)
        sides = [(scale, scale) if isinstance(scale, int) else (scale[1], scale[0]) for scale in scales]
        if not sides or min(map(min, sides)) < divided_factor or divided_factor < 1:
            raise ValueError(
                f"scales: need sides of at least divided_factor, {divided_factor}; received {list(scales)}; raise them"
            )
        first_pixels = sides[0][0] * sides[0][1] * first_bs
        rounded = [(height - height % divided_factor, width - width % divided_factor) for height, width in sides]
        self.sizes = {
            (height, width): max(first_pixels // (height * width), 1)
            for height, width in (rounded if is_training else rounded[:1])
        }
        super().__init__(labels, seed, rank, world_size, exact, Batching(max(self.sizes.values()), shuffle=is_training))
        rng, choices = stream("scales", seed=seed, epoch=0), list(self.sizes)
        self._sizes: list[tuple[int, int]] = []
        while sum(self.sizes[size] for size in self._sizes) * world_size < self._num_samples:
            self._sizes.append(choices[int(rng.integers(len(choices)))])

    def __len__(self) -> int:
        return len(self._sizes)

    def size(self, batch: int) -> int:
        return self.sizes[self._sizes[batch]]

    def image_size(self, batch: int) -> Optional[tuple[int, int]]:
        return self._sizes[batch]

    def batches(self, epoch: int, *, skip: int = 0) -> Iterator[Draws]:
        order = self._order(stream("shuffle", seed=self._seed, epoch=epoch))
        ends = itertools.accumulate(self.size(batch) * self.world_size for batch in range(len(self)))
        for batch, end in itertools.islice(enumerate(ends), skip, None):
            start = end - (self.world_size - self.rank) * self.size(batch)
            yield order[np.arange(start, start + self.size(batch)) % self._num_samples]
