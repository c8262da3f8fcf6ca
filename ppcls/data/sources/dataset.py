"""Labelled pictures on disk. What is wrong with a list or a folder is found when a data set is built."""

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple, Optional, Union

import numpy as np
from numpy.typing import NDArray

from ppcls.batch import LabelKind
from ppcls.data.sources.listing import (
    check_exist,
    check_range,
    checked_list,
    class_folders,
    class_id,
    files_below,
    flags,
    is_picture,
    read_class_ids,
)
from ppcls.data.sources.names import Names
from ppcls.errors import DataError
from ppcls.images.decode import SUFFIXES, Image
from ppcls.images.pipeline import Pipeline

# Class ids, int64 [N], or for several labels a picture float32 [N, classes] of 0 and 1.
Labels = Union[NDArray[np.int64], NDArray[np.float32]]


class LabelledImages(ABC):
    """Numbered images and their `labels`; `label_names` is empty where the source has none.

    With `skip_corrupt` the loader leaves out pictures that can't be decoded; otherwise they end the run.
    """

    def __init__(
        self, pipeline: Pipeline, *, labels: Labels, label_names: Sequence[str] = (), skip_corrupt: bool = False
    ) -> None:
        self.pipeline = pipeline
        self.labels = labels
        self.label_names = label_names
        self.skip_corrupt = skip_corrupt

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def label_kind(self) -> LabelKind:
        """What the labels mean."""
        kinds = {1: LabelKind.CLASS_IDS, 2: LabelKind.MULTI_HOT, 3: LabelKind.MULTI_HOT_WITH_RATIOS}
        return kinds[self.labels.ndim]

    @abstractmethod
    def where(self, index: int) -> str:
        """Return where an image comes from, such as its path."""

    @abstractmethod
    def read(self, index: int) -> Union[bytes, Image]:
        """Return the bytes of a picture file, or a decoded image (HWC, uint8, RGB). Raises OSError."""

    def sample(self, index: int, rng: np.random.Generator) -> Image:
        """Return the HWC uint8 image that the transforms make.

        Raises: UndecodableError for a corrupt picture, DataError for any other that can't be used.
        """
        try:
            return self.pipeline.sample(self.read(index), rng)
        except DataError as error:
            raise type(error)(f"{self.where(index)}: {error}") from error
        except OSError as error:
            raise DataError(
                f"{self.where(index)}: can't be read; received '{error.strerror}'; check the disk"
            ) from error


class LabelledPictures(LabelledImages):
    """Picture files at `paths` below `image_root`."""

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
        file = os.open(self.where(index), os.O_RDONLY)  # a Python file takes as long again to make
        try:
            return os.read(file, os.fstat(file).st_size)
        finally:
            os.close(file)


class ImagesInMemory(LabelledImages):
    """Small images [N, H, W, 3] that came from one file, `source`. Grey ones [N, H, W] get three equal channels."""

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
        return image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)


class ImageNetDataset(LabelledPictures):
    """The pictures of a list file: a path below `image_root` and an integer label on each line.

    The label is the last field, so that paths may have spaces; `delimiter` is any white space by default.
    `relabel` numbers the labels that occur 0, 1, ... in their order. Without a list, the classes are the
    folders in `image_root`, as for ImageFolder.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        class_num: int,
        *,
        image_root: str,
        cls_label_path: Optional[str],
        delimiter: Optional[str] = None,
        relabel: bool = False,
        skip_corrupt: bool = False,
    ) -> None:
        if delimiter == "":
            raise ValueError("delimiter: must not be empty; received ''; leave it out for white space")
        if cls_label_path is None:
            found = _in_class_folders(image_root, class_num)
            super().__init__(pipeline, image_root=image_root, **found._asdict(), skip_corrupt=skip_corrupt)
            return
        listing = checked_list(cls_label_path, delimiter, class_id)
        labels = np.array(listing.labels, np.int64)
        if relabel:
            labels = np.unique(labels, return_inverse=True)[1].astype(np.int64)
        check_range(labels, class_num, lambda index: f"{cls_label_path}:{listing.lines[index]}")
        check_exist(image_root, listing, cls_label_path)
        super().__init__(pipeline, image_root=image_root, paths=listing.paths, labels=labels, skip_corrupt=skip_corrupt)


class MultiLabelDataset(LabelledPictures):
    """The pictures of a list file of which each may be of several classes: `path<tab>0,1,0,1` on each line.

    The k-th number says whether the picture is of class k; `delimiter` stands between path and numbers.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        class_num: int,
        *,
        image_root: str,
        cls_label_path: str,
        delimiter: str = "\t",
        skip_corrupt: bool = False,
    ) -> None:
        if not delimiter or "," in delimiter:
            raise ValueError(f"delimiter: must be without a comma, not empty; received '{delimiter}'; e.g. a tab")
        listing = checked_list(cls_label_path, delimiter, flags)
        wrong = [place for place, label in enumerate(listing.labels) if len(label) != class_num]
        if wrong:
            raise DataError(
                f"{cls_label_path}:{listing.lines[wrong[0]]}: here is the first of {len(wrong)} lines with another "
                f"number of labels; received {len(listing.labels[wrong[0]])} for class_num {class_num}; "
                "give each class a 0 or a 1, or set class_num"
            )
        check_exist(image_root, listing, cls_label_path)
        labels = np.frombuffer(b"".join(listing.labels), np.uint8).reshape(-1, class_num).astype(np.float32)
        super().__init__(pipeline, image_root=image_root, paths=listing.paths, labels=labels, skip_corrupt=skip_corrupt)


class ImageFolder(LabelledPictures):
    """The pictures below one folder a class; the label is the rank of the folder's name in sorted order.

    `class_id_map_file` gives the labels instead, as lines `label name`; it may name more classes than there
    are. Pictures are found at any depth by their suffix; folders that start with a dot are passed over.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        class_num: int,
        *,
        image_root: str,
        class_id_map_file: Optional[str] = None,
        skip_corrupt: bool = False,
    ) -> None:
        found = _in_class_folders(image_root, class_num, class_id_map_file)
        super().__init__(pipeline, image_root=image_root, **found._asdict(), skip_corrupt=skip_corrupt)


class _Found(NamedTuple):
    paths: Sequence[str]
    labels: Labels
    label_names: Sequence[str]


def _in_class_folders(image_root: str, class_num: int, class_id_map_file: Optional[str] = None) -> _Found:
    names = class_folders(image_root)
    label_of = {name: rank for rank, name in enumerate(names)}
    if class_id_map_file is not None:
        label_of = read_class_ids(class_id_map_file, names)
    class_labels = np.array([label_of[name] for name in names], np.int64)
    check_range(class_labels, class_num, lambda index: os.path.join(image_root, names[index]))
    paths: list[str] = []
    counts: list[int] = []
    for name in names:
        found = [path for path in files_below(image_root, name) if is_picture(path)]
        if not found:
            raise DataError(
                f"image_root: a class folder has no picture ({', '.join(SUFFIXES)}); "
                f"received '{os.path.join(image_root, name)}'; add pictures or remove the folder"
            )
        paths += found
        counts.append(len(found))
    name_of = {label: name for name, label in label_of.items() if label < class_num}
    # A label that the map leaves out has its number for a name.
    label_names = [name_of.get(label, str(label)) for label in range(max(name_of) + 1)]
    return _Found(paths, np.repeat(class_labels, counts), label_names)
