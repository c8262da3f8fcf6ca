"""Batches of labelled images, each with images that have no labels beside it."""

from collections.abc import Iterator, Mapping
from typing import Any

from ppcls.batch import Batch
from ppcls.data.loader.loader import Loader


class SemiSupervised(Loader):
    """A loader whose batches have in `extra` those of other loaders, their `views`, by name.

    The views begin anew whenever they end, whatever an epoch of the labelled images is: what stands beside a batch is a
    function of its number in the whole run, so that a resumed run sees the same.
    """

    def __init__(self, *labelled: Any, views: Mapping[str, Loader], **options: Any) -> None:
        super().__init__(*labelled, **options)
        self.views = views

    def epoch(self, epoch: int, *, skip: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch, from batch number `skip` on."""
        streams = {name: _endless(view, epoch * len(self) + skip) for name, view in self.views.items()}
        for batch in super().epoch(epoch, skip=skip):
            yield Batch(batch.images, batch.labels, {name: next(stream).images for name, stream in streams.items()})

    def close(self) -> None:
        """End the worker processes; a later epoch starts new ones."""
        super().close()
        for view in self.views.values():
            view.close()


def _endless(loader: Loader, first: int) -> Iterator[Batch]:
    """Yield the batches of one epoch after the other, from batch number `first` of them all on."""
    epoch, skip = divmod(first, len(loader))
    while True:
        yield from loader.epoch(epoch, skip=skip)
        epoch, skip = epoch + 1, 0
