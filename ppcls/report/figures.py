"""Images of a data set in a page, by the paths that an evaluation has of them."""

from html import escape

import numpy as np

from ppcls.data.sources.base import LabelledImages
from ppcls.errors import DataError
from ppcls.images.decode import Image
from ppcls.images.failures import OneImage
from ppcls.images.pipeline import Pipeline
from ppcls.images.thumbnails import data_uri, shrunk
from ppcls.text import as_utf8

THUMB_PX = 124


class Figures:
    """The images of a data set; some may have changed since they were measured."""

    def __init__(self, data: LabelledImages) -> None:
        self._data = data
        self._places = {as_utf8(data.where(place)): place for place in range(len(data))}

    def thumbnail(self, path: str) -> str:
        """Return an image as HTML."""
        try:
            with OneImage():
                image = self._data.pipeline.decode(self._data.read(self._places[path]))
        except DataError:
            return '<div class="none">no image</div>'
        return f'<img alt="" src="{data_uri(shrunk(image, THUMB_PX))}">'

    def sample(self, path: str, pipeline: Pipeline) -> Image:
        """Return an image, uint8 [H, W, 3], as a pipeline makes it. Raises DataError."""
        place = self._places[path]
        with OneImage():
            return pipeline.sample(self._data.read(place), np.random.default_rng(place))


def name(path: str) -> str:
    """Return an image's path as it stands below it: with the last folder, which may be its class."""
    return escape("/".join(path.split("/")[-2:]))
