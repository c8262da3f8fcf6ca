"""From the images of a request to their answers."""

import asyncio
import dataclasses
import time
from collections.abc import Awaitable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Callable, Optional

import numpy as np
from starlette.exceptions import HTTPException

from ppcls import environment
from ppcls.config import Part
from ppcls.errors import DataError
from ppcls.images.decode import Image
from ppcls.images.header import read_header
from ppcls.images.limits import check_header
from ppcls.inference import artifact
from ppcls.inference.predictor import Predictor
from ppcls.inference.search import Search
from ppcls.serve.batching import Batcher, Scores
from ppcls.serve.intake import RETRY, ImageFile
from ppcls.serve.limits import Limits
from ppcls.serve.metrics import Metrics

# From what the model gives of an image to the image's result.
Finish = Callable[[Scores], Awaitable[dict[str, Any]]]


class Service:
    """Decodes images in threads of its own, and has them answered in batches."""

    def __init__(
        self,
        predictors: Sequence[Predictor],
        limits: Limits,
        metrics: Metrics,
        *,
        max_batch: int,
        search: Optional[Search] = None,
    ) -> None:
        self.predictors = predictors
        self.limits = limits
        self.metrics = metrics
        self.model = predictors[0]
        self.neighbours = search
        self._pending = 0
        self._batcher = Batcher([partial(self._run, predictor) for predictor in predictors], max_batch=max_batch)

    async def __aenter__(self) -> "Service":
        self._decoders = ThreadPoolExecutor(environment.physical_cores(), "decode")
        await self._batcher.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._batcher.__aexit__()
        self._decoders.shutdown()

    @property
    def ready(self) -> bool:
        return self._batcher.alive

    async def predict(self, files: Sequence[ImageFile], topk: Optional[int]) -> list[dict[str, Any]]:
        """Return the prediction of each image, as `_answers` does."""
        postprocess = self.model.postprocess_for(topk)

        async def predicted(scores: Scores) -> dict[str, Any]:
            (prediction,) = postprocess(scores[None])
            return prediction.to_dict()

        return await self._answers(files, predicted)

    async def embed(self, files: Sequence[ImageFile]) -> list[dict[str, Any]]:
        """Return the features of each image, as `_answers` does."""

        async def embedded(features: Scores) -> dict[str, Any]:
            return {"features": features.tolist()}

        return await self._answers(files, embedded)

    async def search(self, files: Sequence[ImageFile], topk: int) -> list[dict[str, Any]]:
        """Return what in the index is most like each image, as `_answers` does."""
        neighbours = self.neighbours
        assert neighbours is not None

        async def found(features: Scores) -> dict[str, Any]:
            # In a thread, as a large index takes its time.
            (nearest,) = await asyncio.to_thread(lambda: list(neighbours.nearest(features[None], topk)))
            return {"neighbours": [one._asdict() for one in nearest]}

        return await self._answers(files, found)

    async def _answers(self, files: Sequence[ImageFile], finish: Finish) -> list[dict[str, Any]]:
        """Return a result for each image. Raises HTTPException: 429 the queue is full, 503 too slow."""
        if self._pending + len(files) > self.limits.queue:
            raise HTTPException(429, "the queue is full; try again", RETRY)
        self._count(len(files))
        try:
            answers = asyncio.gather(*(self._answer(file, finish) for file in files))
            return list(await asyncio.wait_for(answers, self.limits.seconds))
        except asyncio.TimeoutError as error:
            raise HTTPException(503, f"no answer within {self.limits.seconds:g} seconds", RETRY) from error
        finally:
            self._count(-len(files))

    def _count(self, change: int) -> None:
        self._pending += change
        self.metrics.queue.set(self._pending)

    async def _answer(self, file: ImageFile, finish: Finish) -> dict[str, Any]:
        try:
            image = await asyncio.get_running_loop().run_in_executor(self._decoders, self._decode, file.data)
        except DataError as error:
            self.metrics.images.labels("refused").inc()
            return {"name": file.name, "error": str(error)}
        scores = await self._batcher.scores(image)
        result = await finish(scores)
        self.metrics.images.labels("answered").inc()
        return {"name": file.name, **result}

    def _decode(self, data: Optional[bytes]) -> Image:
        if data is None:
            raise DataError("not base64; send the bytes of the file in base64")
        header = read_header(data)
        if header is not None:  # else decoding says what it is
            check_header(header, self.limits.pixels)
        image = self.model.pipeline.sample(data, np.random.default_rng(0))
        _, height, width = self.model.input_shape
        if image.shape[:2] != (height, width):
            raise DataError(
                f"the model's transforms make this image {image.shape[1]} x {image.shape[0]}, and the model "
                f"takes {width} x {height}; send one of another shape"
            )
        return image

    def _run(self, predictor: Predictor, images_NHWC: Image) -> Scores:
        started = time.perf_counter()
        scores = predictor.scores(predictor.finish(images_NHWC))
        self.metrics.model_seconds.observe(time.perf_counter() - started)
        self.metrics.batch_size.observe(len(images_NHWC))
        return scores

    def card(self) -> dict[str, Any]:
        """Return what the server tells about its model."""
        about = self.model.artifact
        return {
            "model_name": about.Global.model_name,
            "output": about.output,
            "class_num": self.model.class_num,
            "indexed_images": None if self.neighbours is None else len(self.neighbours.index.names),
            "input_shape": list(self.model.input_shape),
            "transforms": [_in_words(part) for part in about.transforms],
            "measured": dict(about.measured),
            "calibration": {} if about.calibration is None else dataclasses.asdict(about.calibration),
            "exported_by": f"ppcls {about.Global.ppcls}, Paddle {about.Global.paddle}",
            "engine": self.model.about,
            "sha256": about.sha256.get(artifact.WEIGHTS, ""),
            "max_images": self.limits.images,
            "max_pixels": self.limits.pixels,
            "max_body_bytes": self.limits.body_bytes,
        }


def _in_words(part: Part) -> str:
    arguments = (
        f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}" for name, value in part.args.items()
    )
    return " ".join([part.name, *arguments])
