"""How batches come from a loader to the model."""

import logging
from collections.abc import Iterable, Iterator
from typing import Union

import paddle

from ppcls.batch import Batch
from ppcls.data.loader.loader import Loader
from ppcls.data.loader.retrieval import QueryAndGallery

logger = logging.getLogger("ppcls")


def on_device(batches: Iterable[Batch]) -> Iterator[Batch]:
    """Yield the loader's batches as tensors on the device."""
    for batch in batches:
        extra = {name: paddle.to_tensor(values) for name, values in batch.extra.items()}
        yield Batch(paddle.to_tensor(batch.images), paddle.to_tensor(batch.labels), extra)


def report_skipped(loader: Union[Loader, QueryAndGallery]) -> None:
    """Name the corrupt images that an epoch skipped, where the data set allows that (`skip_corrupt`)."""
    if loader.skipped:
        logger.warning(f"{len(loader.skipped)} corrupt image(s) left out, the first: {loader.skipped[0]}")
