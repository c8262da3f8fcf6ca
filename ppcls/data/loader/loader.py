"""From a data set to finished batches, the same ones for any number of workers."""

import math
from collections.abc import Iterator, Sequence
from typing import Optional, Union

import numpy as np

from ppcls.batch import Batch, LabelKind
from ppcls.data.loader.memory import available_bytes, too_little
from ppcls.data.loader.pool import TASKS_A_WORKER, InProcess, Processes
from ppcls.data.loader.slots import MOST_LENT, Lending, Slots
from ppcls.data.loader.streams import stream
from ppcls.data.loader.worker import Reply, Task
from ppcls.data.samplers.base import DistributedBatchSampler, Draws
from ppcls.data.sources.base import LabelledImages
from ppcls.errors import DataError, TrainingError
from ppcls.images.failures import UndecodableError
from ppcls.images.mixing.operators import MIXED, BatchTransform, Images, Labels

_MOST_SLOT_BYTES = 1 << 30
# Samples in one task: a batch is split among all workers, so that the first one is there soon.
_LEAST_PART, _MOST_PART = 4, 256

Pool = Union[InProcess, Processes]


class _Begun:
    """A batch in the making: what has come of it, by position in the batch."""

    def __init__(self, slot: int, draws: Draws, shape: tuple[int, ...]) -> None:
        self.slot = slot
        self.shape = shape
        self.draws = draws
        self.missing = len(draws)
        self.corrupt: dict[int, str] = {}
        self.errors: dict[int, DataError] = {}

    def take(self, reply: Reply) -> None:
        start, size = reply.task.start, len(reply.task.draws)
        self.missing -= size
        if isinstance(reply.result, DataError):
            self.errors[start] = reply.result
            return
        self.corrupt.update((start + place, why) for place, why in reply.result.items())


class Loader:
    """Yields batches: float32 NCHW, and the labels of the data set unless batch transforms change them.

    `num_workers` processes decode and transform, 0 means this one; they start with the first epoch and stay
    until `close`. They hand images over in shared memory, or through pipes without `use_shared_memory`.
    All that is random depends on seed, epoch and sample only.

    `skipped` holds a message for each corrupt image skipped in the current epoch (`skip_corrupt`).
    """

    def __init__(
        self,
        dataset: LabelledImages,
        sampler: DistributedBatchSampler,
        batch_transforms: Sequence[BatchTransform],
        seed: int,
        *,
        num_workers: int = 2,
        use_shared_memory: bool = True,
    ) -> None:
        if num_workers < 0:
            raise ValueError(f"num_workers: must not be negative; received {num_workers}; 0 is this process")
        self.skipped: list[str] = []
        self.dataset = dataset
        self.label_kind: LabelKind = MIXED[dataset.label_kind] if batch_transforms else dataset.label_kind
        self._sampler = sampler
        self._batch_transforms = batch_transforms
        self._seed = seed
        self._num_workers = num_workers
        self._use_shared_memory = use_shared_memory
        part = math.ceil(sampler.batch_size / max(num_workers, 1))
        self._part = min(sampler.batch_size, max(_LEAST_PART, min(part, _MOST_PART)))
        self._pool: Optional[Pool] = None
        self._epochs_begun = 0
        self._image_shape: tuple[int, ...] = ()  # [C, H, W], once it is known

    @property
    def source(self) -> str:
        """The names of what gives the labels."""
        return " with ".join(type(part).__name__ for part in (self.dataset, *self._batch_transforms))

    @property
    def num_images(self) -> int:
        return len(self.dataset)

    def __len__(self) -> int:
        """Return the number of batches of this rank in an epoch."""
        return len(self._sampler)

    def batch_size(self, batch: int) -> int:
        """Return the number of samples in a batch, including those that `skip_corrupt` skips."""
        return self._sampler.size(batch)

    def stage(self, epoch: int) -> tuple[int, int]:
        """Return the stage of the training that an epoch is in, counted from 0, and how many there are."""
        return 0, 1

    def close(self) -> None:
        """End the worker processes; a later epoch starts new ones."""
        self._epochs_begun += 1  # an unfinished epoch is over
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def epoch(self, epoch: int, *, skip: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch, from batch number `skip` on.

        It may be left before its end; a later epoch then forgets the rest.
        Raises: DataError for an image that can't be used, TrainingError if a worker process ends.
        """
        try:
            yield from self._batches(epoch, skip)
        except TrainingError:
            self.close()
            raise

    def sample(self, epoch: int, draw: int) -> Batch:
        """Return a batch of one image as the batches of an epoch have it, before batch transforms.

        Raises: DataError if it can't be used.
        """
        rng = stream("sample", seed=self._seed, epoch=epoch, number=draw)
        index = draw % len(self.dataset)
        image = self.dataset.sample(index, rng)
        images = self.dataset.pipeline.finish(image[None], rngs=[rng])
        again = stream("sample", seed=self._seed, epoch=epoch, number=draw)
        return Batch(images, self.dataset.drawn_labels(np.array([index]), [again]))

    def _batches(self, epoch: int, skip: int) -> Iterator[Batch]:
        self.skipped = []
        self._epochs_begun += 1
        this_epoch = self._epochs_begun
        pool = self._pool = self._pool or self._start()
        pool.cancel()
        pool.lending.reset()
        coming = enumerate(self._sampler.batches(epoch, skip=skip), skip)
        begun: dict[int, _Begun] = {}
        self._begin(begun, coming, epoch, pool)
        while begun:
            number, batch = next(iter(begun.items()))
            while batch.missing:
                for reply in pool.receive():
                    begun[reply.task.batch].take(reply)
            del begun[number]
            finished = self._finish(batch, pool.lending, epoch, number)
            self._begin(begun, coming, epoch, pool)
            if finished is not None:
                handed_over = [finished]
                del finished
                yield handed_over.pop()  # held no longer than by its user
            if this_epoch != self._epochs_begun:
                raise RuntimeError("this epoch was abandoned when a later one began or the loader was closed")

    def _begin(
        self,
        begun: dict[int, _Begun],
        coming: Iterator[tuple[int, Draws]],
        epoch: int,
        pool: Pool,
    ) -> None:
        """Hand out the next batches, as many as there are free slots."""
        while pool.lending.free:
            number, draws = next(coming, (-1, None))
            if draws is None:
                return
            size = self._sampler.image_size(number)
            shape = (len(draws), *self._image_shape) if size is None else (len(draws), self._image_shape[0], *size)
            batch = begun[number] = _Begun(pool.lending.free.popleft(), draws, shape)
            for start in range(0, len(draws), self._part):
                part = draws[start : start + self._part]
                pool.submit(Task(number, epoch, batch.slot, start, part, shape, size))

    def _finish(self, batch: _Begun, lending: Lending, epoch: int, number: int) -> Optional[Batch]:
        """Return the finished batch, or None if no image of it could be decoded."""
        if batch.errors:
            raise batch.errors[min(batch.errors)]
        images, draws = lending.lend(batch.slot, batch.shape), batch.draws
        if batch.corrupt:
            self.skipped += [batch.corrupt[place] for place in sorted(batch.corrupt)]
            good = [place for place in range(len(draws)) if place not in batch.corrupt]
            if not good and not self._sampler.exact:
                raise DataError(
                    "skip_corrupt: a training batch has no image left, and each one is a step on every rank; "
                    f"received {self.skipped[-1]}; remove the corrupt images or raise batch_size"
                )
            if not good:
                return None
            images, draws = images[good], draws[good]
        index = draws % len(self.dataset)
        again = (stream("sample", seed=self._seed, epoch=epoch, number=int(draw)) for draw in draws)
        finished: tuple[Images, Labels] = images, self.dataset.drawn_labels(index, again)
        rank_number = number * self._sampler.world_size + self._sampler.rank
        rng = stream("batch", seed=self._seed, epoch=epoch, number=rank_number)
        for transform in self._batch_transforms:
            finished = transform(*finished, rng)
        # Who searches wants to know which image is which.
        extra = {"index": index} if self.label_kind is LabelKind.IDENTITIES else {}
        return Batch(*finished, extra)

    def _start(self) -> Pool:
        image, available = self._first_image(), available_bytes()
        self._image_shape = image.shape[1:]
        shapes: list[tuple[int, ...]] = [(count, image.shape[1], *size) for size, count in self._sampler.sizes.items()]
        largest = max(shapes or [(self._sampler.batch_size, *image.shape[1:])], key=math.prod)
        slots = Slots(1 + MOST_LENT, largest, image.dtype.type)
        if slots.all_bytes > available:
            raise too_little(slots.all_bytes, f"{available / 1e6:,.0f} MB that are free")
        if self._num_workers == 0:
            return InProcess(self.dataset, self._seed, slots)
        in_work = math.ceil(self._num_workers * TASKS_A_WORKER * self._part / self._sampler.batch_size) + 1
        # Where memory is short, less is prepared ahead; all ranks may be on this machine.
        affordable = min(_MOST_SLOT_BYTES, available // 2 // self._sampler.world_size) // slots.batch_bytes
        slots = slots._replace(batches=max(slots.batches, min(in_work + MOST_LENT, affordable)))
        return Processes(self.dataset, self._seed, slots, self._num_workers, shared_memory=self._use_shared_memory)

    def _first_image(self) -> Images:
        """Return what the transforms make of the first image that can be decoded: [1, C, H, W]."""
        for index in range(len(self.dataset)):
            try:
                images: Images = self.sample(0, index).images
                return images
            except UndecodableError:
                if not self.dataset.skip_corrupt:
                    raise
        raise DataError(f"skip_corrupt: none of {len(self.dataset)} images can be decoded; check image_root")
