import asyncio
import threading

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the extra `serve` is not installed")

from ppcls.serve.batching import Batcher


def image(number: int) -> np.ndarray:
    return np.full((2, 2, 3), number, "uint8")


class Model:
    """Scores that are the image's first value; runs only while `open`; keeps the sizes of its batches."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.open.set()
        self.sizes: list[int] = []

    def __call__(self, images: np.ndarray) -> np.ndarray:
        assert self.open.wait(10)
        self.sizes.append(len(images))
        if images.max() == 255:
            raise RuntimeError("the model broke")
        return images[:, 0, 0, :1].astype("float32")


def test_everyone_gets_the_scores_of_his_own_image() -> None:
    async def ask() -> list[float]:
        async with Batcher([Model(), Model()], max_batch=4) as batcher:
            return [float(s[0]) for s in await asyncio.gather(*(batcher.scores(image(n)) for n in range(50)))]

    assert asyncio.run(ask()) == list(range(50))


def test_what_comes_in_while_the_model_runs_becomes_its_next_batches() -> None:
    model = Model()

    async def ask() -> None:
        async with Batcher([model], max_batch=4) as batcher:
            model.open.clear()
            first = asyncio.ensure_future(batcher.scores(image(0)))
            await asyncio.sleep(0.01)
            others = [asyncio.ensure_future(batcher.scores(image(n))) for n in range(1, 8)]
            await asyncio.sleep(0.01)
            model.open.set()
            await asyncio.gather(first, *others)

    asyncio.run(ask())
    assert model.sizes == [1, 4, 2, 1]


def test_an_image_that_nobody_waits_for_any_more_is_not_computed() -> None:
    model = Model()

    async def ask() -> None:
        async with Batcher([model], max_batch=4) as batcher:
            model.open.clear()
            first = asyncio.ensure_future(batcher.scores(image(0)))
            await asyncio.sleep(0.01)
            for task in [asyncio.ensure_future(batcher.scores(image(n))) for n in range(5)]:
                await asyncio.sleep(0)
                task.cancel()
            model.open.set()
            await first
            await batcher.scores(image(9))

    asyncio.run(ask())
    assert model.sizes == [1, 1]


def test_a_failure_reaches_those_who_asked_and_nobody_after_them() -> None:
    async def ask() -> float:
        async with Batcher([Model()], max_batch=4) as batcher:
            with pytest.raises(RuntimeError, match="the model broke"):
                await batcher.scores(image(255))
            assert batcher.alive
            return float((await batcher.scores(image(7)))[0])

    assert asyncio.run(ask()) == 7
