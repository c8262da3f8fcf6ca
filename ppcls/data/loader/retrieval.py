"""The images of an evaluation of retrieval: queries, and the gallery that they search."""

from collections.abc import Iterator

import numpy as np

from ppcls.batch import Batch, LabelKind
from ppcls.data.loader.loader import Loader


class QueryAndGallery:
    """Batches of queries and then of the gallery; `extra` says of each image what metrics of retrieval ask for."""

    label_kind = LabelKind.IDENTITIES

    def __init__(self, query: Loader, gallery: Loader) -> None:
        self._query, self._gallery = query, gallery
        self.dataset = query.dataset
        numbers: dict[str, int] = {}
        # An image that is in both is one image.
        self._numbers = [
            np.array([numbers.setdefault(loader.dataset.where(i), len(numbers)) for i in range(len(loader.dataset))])
            for loader in (query, gallery)
        ]

    @property
    def source(self) -> str:
        return self._query.source

    @property
    def num_images(self) -> int:
        return self._query.num_images + self._gallery.num_images

    @property
    def skipped(self) -> list[str]:
        return [*self._query.skipped, *self._gallery.skipped]

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of this rank."""
        for loader, numbers, of_query in ((self._query, self._numbers[0], 1), (self._gallery, self._numbers[1], 0)):
            cameras = loader.dataset.cameras
            for batch in loader.epoch(epoch):
                index = batch.extra["index"]
                extra = {
                    "of_query": np.full(len(index), of_query),
                    "identity": batch.labels,
                    "camera": np.full(len(index), -1) if cameras is None else cameras[index],
                    "image": numbers[index],
                }
                yield Batch(batch.images, batch.labels, extra)
