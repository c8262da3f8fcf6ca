"""What one loader process does: samples into slots. Without paddle, to start fast and stay small."""

import mmap
import pickle
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import NamedTuple, Optional, Union

import cv2
import numpy as np
from numpy.typing import NDArray

from ppcls.data.loader.slots import Images, Slots
from ppcls.data.loader.streams import SampleStreams
from ppcls.data.sources.base import LabelledImages
from ppcls.errors import DataError
from ppcls.images.failures import UndecodableError


class Task(NamedTuple):
    """Part of a batch: put the samples of `draws` at `start` of `slot`.

    `shape` is that of the whole batch [N, C, H, W]; images have `size` where that is another one than usual.
    """

    batch: int
    epoch: int
    slot: int
    start: int
    draws: NDArray[np.int64]
    shape: tuple[int, ...]
    size: Optional[tuple[int, int]]

    @property
    def places(self) -> slice:
        """The positions in the batch."""
        return slice(self.start, self.start + len(self.draws))


# Position in the task -> message for each image that was skipped, or what ends the epoch.
Result = Union[dict[int, str], DataError]


class Reply(NamedTuple):
    """What came of a task."""

    task: Task
    result: Result


class Setup(NamedTuple):
    """What a worker gets first."""

    dataset: LabelledImages
    seed: int
    slots: Slots


def perform(task: Task, dataset: LabelledImages, streams: SampleStreams, images: Images) -> Result:
    """Fill `images`, one for each draw of the task."""
    try:
        return _fill(task, dataset, streams, images)
    except DataError as error:
        return error


def _fill(task: Task, dataset: LabelledImages, streams: SampleStreams, images: Images) -> dict[int, str]:
    corrupt: dict[int, str] = {}
    for place, draw in enumerate(task.draws.tolist()):
        rng = streams.of(epoch=task.epoch, number=draw)
        index = draw % len(dataset)
        try:
            image = dataset.sample(index, rng, task.size)
        except UndecodableError as error:
            if not dataset.skip_corrupt:
                raise
            corrupt[place] = str(error)
            continue
        if image.shape[:2] != images.shape[2:]:
            raise DataError(
                f"{dataset.where(index)}: all images must have one size; received {_size(image.shape)} where "
                f"others are {_size(images.shape[2:])}; add ResizeImage or CropImage to transform_ops"
            )
        dataset.pipeline_for(task.size).finish(image[None], rngs=[rng], out=images[place : place + 1])
    return corrupt


def _size(shape: Sequence[int]) -> str:
    return f"{shape[1]} x {shape[0]}"


def main(connection: int, memory: Optional[int]) -> None:
    """Serve the loader at the other end of `connection` until it goes away.

    Both are file descriptors. The slots are in `memory`, with the large arrays of the data set behind them;
    if None, all goes through the connection.
    """
    cv2.setNumThreads(0)  # the workers are the parallelism
    with Connection(connection) as loader:
        try:
            _serve(loader, memory)
        except (EOFError, ConnectionError):
            return


def _serve(loader: Connection, memory: Optional[int]) -> None:
    spans: list[slice] = loader.recv()
    shared = memoryview(b"" if memory is None else mmap.mmap(memory, 0))
    setup: Setup = pickle.loads(loader.recv_bytes(), buffers=[shared[span].toreadonly() for span in spans])
    streams = SampleStreams(setup.seed)
    if memory is None:  # one slot of this process's own, sent after each task
        shared = memoryview(bytearray(setup.slots.batch_bytes))
    while True:
        task: Task = loader.recv()
        images = setup.slots.images(shared, 0 if memory is None else task.slot, task.shape)[task.places]
        loader.send(perform(task, setup.dataset, streams, images))
        if memory is None:
            loader.send_bytes(images.reshape(-1).view(np.uint8).data)
