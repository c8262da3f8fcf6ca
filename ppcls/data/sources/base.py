"""What all data sets are: numbered images with labels."""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Optional, Union

import numpy as np
from numpy.typing import NDArray

from ppcls.batch import LabelKind
from ppcls.data.sources.names import Names
from ppcls.errors import DataError
from ppcls.images.decode import Image
from ppcls.images.failures import OneImage
from ppcls.images.pipeline import Pipeline
from ppcls.images.sources import read_file
from ppcls.text import printable

# Class ids, int64 [N], or for several labels an image float32 [N, classes] of 0 and 1, or [N, 2, classes] with ratios.
Labels = Union[NDArray[np.int64], NDArray[np.float32]]


class LabelledImages(ABC):
    """Numbered images and their `labels`; `label_names` is empty where the source has none.

    `identities`: the labels number individuals, of which an evaluation may have others than the training; `cameras`
    [N], where they are known, say what took the images.
    With `skip_corrupt` the loader skips images that can't be used; otherwise they end the run.
    """

    identities = False
    cameras: Optional[NDArray[np.int64]] = None

    def __init__(
        self, pipeline: Pipeline, *, labels: Labels, label_names: Sequence[str] = (), skip_corrupt: bool = False
    ) -> None:
        self.pipeline = pipeline
        # For images of other sizes (height, width), where a sampler wants such.
        self.pipelines: Mapping[tuple[int, int], Pipeline] = {}
        self.labels = labels
        self.label_names = label_names
        self.skip_corrupt = skip_corrupt

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def label_kind(self) -> LabelKind:
        """What the labels mean."""
        if self.identities:
            return LabelKind.IDENTITIES
        kinds = {1: LabelKind.CLASS_IDS, 2: LabelKind.MULTI_HOT, 3: LabelKind.MULTI_HOT_WITH_RATIOS}
        return kinds[self.labels.ndim]

    def drawn_labels(self, index: NDArray[np.int64], rngs: Iterable[np.random.Generator]) -> Labels:
        """Return the labels of samples, which some data sets draw, as `sample` does with each of these generators."""
        return self.labels[index]

    @abstractmethod
    def where(self, index: int) -> str:
        """Return where an image comes from, such as its path."""

    @abstractmethod
    def read(self, index: int) -> Union[bytes, Image]:
        """Return the bytes of an image file, or a decoded image (HWC, uint8, RGB). Raises OSError."""

    def pipeline_for(self, size: Optional[tuple[int, int]]) -> Pipeline:
        """Return what makes images of a size; None: of the usual one."""
        return self.pipeline if size is None else self.pipelines[size]

    def sample(self, index: int, rng: np.random.Generator, size: Optional[tuple[int, int]] = None) -> Image:
        """Return the HWC uint8 image that the transforms make, if wanted of another size than the usual one.

        Raises: UndecodableError for an image that can't be used, DataError where the transforms don't fit it.
        """
        try:
            with OneImage():
                return self.pipeline_for(size).sample(self.read(index), rng)
        except DataError as error:
            raise type(error)(f"{printable(self.where(index))}: {error}") from error


class ImageFiles(LabelledImages):
    """Image files at `paths` below `image_root`."""

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        image_root: str,
        paths: Sequence[str],
        labels: Labels,
        label_names: Sequence[str] = (),
        skip_corrupt: bool = False,
    ) -> None:
        super().__init__(pipeline, labels=labels, label_names=label_names, skip_corrupt=skip_corrupt)
        self._root = image_root
        self._paths = Names(paths)

    def where(self, index: int) -> str:
        return os.path.join(self._root, self._paths[index])

    def read(self, index: int) -> bytes:
        return read_file(self.where(index))


class ImagesInMemory(LabelledImages):
    """Small images [N, H, W, 3], or grey ones [N, H, W], that came from one file, `source`."""

    def __init__(
        self, pipeline: Pipeline, *, source: str, images: Image, labels: Labels, label_names: Sequence[str]
    ) -> None:
        super().__init__(pipeline, labels=labels, label_names=label_names)
        self._source = source
        self._images = images

    def where(self, index: int) -> str:
        return f"{self._source}: image {index}"

    def read(self, index: int) -> Image:
        image: Image = self._images[index]
        return image
