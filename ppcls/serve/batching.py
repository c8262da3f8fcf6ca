"""Images of many requests, run through the model together."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Callable

import numpy as np
from numpy.typing import NDArray

from ppcls.images.decode import Image

Scores = NDArray[np.float32]


@dataclass(frozen=True)
class _Ticket:
    image: Image
    scores: "asyncio.Future[Scores]"


class Batcher:
    """Scores of single images, computed in batches.

    A batch is of what came in while the one before it ran, up to `max_batch`; nothing waits for a timer. Each of
    `models` takes uint8 images [N, H, W, C], gives scores [N, class_num], and has one thread of its own.
    """

    def __init__(self, models: Sequence[Callable[[Image], Scores]], *, max_batch: int) -> None:
        self._models = models
        self._max_batch = max_batch

    async def __aenter__(self) -> "Batcher":
        self._waiting: asyncio.Queue[_Ticket] = asyncio.Queue()
        self._threads = ThreadPoolExecutor(len(self._models), "model")
        self._tasks = [asyncio.ensure_future(self._work(model)) for model in self._models]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        self._threads.shutdown()

    @property
    def alive(self) -> bool:
        return not any(task.done() for task in self._tasks)

    async def scores(self, image: Image) -> Scores:
        """Return the scores [class_num] of one image."""
        ticket = _Ticket(image, asyncio.get_running_loop().create_future())
        self._waiting.put_nowait(ticket)
        return await ticket.scores

    async def _work(self, model: Callable[[Image], Scores]) -> None:
        loop = asyncio.get_running_loop()
        while True:
            batch = [await self._waiting.get()]
            available = min(1 + self._waiting.qsize(), self._max_batch)
            while len(batch) < _power_of_two(available):
                batch.append(self._waiting.get_nowait())
            # Those who asked may have given up by now.
            batch = [ticket for ticket in batch if not ticket.scores.done()]
            if not batch:
                continue
            running = loop.run_in_executor(self._threads, model, np.stack([ticket.image for ticket in batch]))
            await asyncio.wait([running])
            for index, ticket in enumerate(batch):
                if ticket.scores.done():
                    continue
                # Whatever went wrong goes to those who asked; the next batch may be fine.
                error = running.exception()
                if error is None:
                    ticket.scores.set_result(running.result()[index])
                else:
                    ticket.scores.set_exception(error)


def _power_of_two(available: int) -> int:
    """Return the largest power of two up to `available`: engines keep kernels and weights for each batch size."""
    return 1 << (available.bit_length() - 1)
