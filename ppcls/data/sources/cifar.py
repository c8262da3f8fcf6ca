"""CIFAR-10 and CIFAR-100 from their original files.

Source: Krizhevsky 2009, Learning multiple layers of features from tiny images; the files and their MD5 sums
are those of https://www.cs.toronto.edu/~kriz/cifar.html.
"""

import io
import tarfile
import zlib
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, Literal, Optional

import numpy as np
from numpy.typing import NDArray

from ppcls import pdparams
from ppcls.data.sources.base import ImagesInMemory
from ppcls.data.sources.checks import check_range
from ppcls.download import fetch
from ppcls.errors import CheckpointError, DataError
from ppcls.images.decode import Backend, Image
from ppcls.images.pipeline import Pipeline

_SITE = "https://www.cs.toronto.edu/~kriz"
_PIXELS = 3 * 32 * 32


class Cifar(ImagesInMemory):
    """What Cifar10 and Cifar100 have in common: 32x32 RGB images, all in memory.

    With `sample_per_label` there are only so many of each class, chosen by the seed; each comes `expand_labels` times.
    `backend` chooses nothing here.
    """

    url: str
    # The stems of the files with images, and of the file with the names of the classes.
    parts: Mapping[str, Sequence[str]]
    names_file: str
    # In front of the pixels of a binary record; the last one is the label.
    label_bytes: int
    # Keys in the pickles of the python version.
    labels_key: str
    names_key: str

    def __init__(
        self,
        pipeline: Pipeline,
        class_num: int,
        seed: int,
        *,
        data_file: Optional[str] = None,
        mode: Literal["train", "test"] = "train",
        download: bool = True,
        backend: Backend = "cv2",
        sample_per_label: Optional[int] = None,
        expand_labels: int = 1,
    ) -> None:
        for name, value in {"sample_per_label": sample_per_label or 1, "expand_labels": expand_labels}.items():
            if value < 1:
                raise ValueError(f"{name}: must be at least 1; received {value}")
        if data_file is None:
            if not download:
                raise ValueError("data_file: is needed with download: False; received none; give the original archive")
            data_file = str(fetch(self.url, "datasets", tarfile.is_tarfile, DataError))
        stems = [*self.parts[mode], self.names_file, "batches.meta", "meta"]
        files = _members(Path(data_file), {f"{stem}{suffix}" for stem in stems for suffix in ("", ".bin", ".txt")})
        labels, images = [], []
        for stem in self.parts[mode]:
            part_labels, pixels = self._part(files, stem, data_file)
            labels.append(part_labels)
            images.append(pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
        all_labels = np.concatenate(labels).astype(np.int64)
        check_range(all_labels, class_num, lambda index: f"{data_file}: image {index}")
        kept = slice(None) if sample_per_label is None else _sample(all_labels, sample_per_label, seed)
        super().__init__(
            pipeline,
            source=data_file,
            images=np.ascontiguousarray(np.concatenate(images)[kept]),
            labels=np.tile(all_labels[kept], expand_labels),
            label_names=self._names(files),
        )

    def read(self, index: int) -> Image:
        return super().read(index % len(self._images))

    def _part(self, files: Mapping[str, bytes], stem: str, data_file: str) -> tuple[NDArray[Any], Image]:
        """Return the labels and pixels of one file, binary or pickled."""
        if f"{stem}.bin" in files:
            size = self.label_bytes + _PIXELS
            records: NDArray[np.uint8] = np.frombuffer(files[f"{stem}.bin"], np.uint8)
            if len(records) == 0 or len(records) % size:
                raise DataError(
                    f"{data_file}: {stem}.bin does not hold a whole number of images; received {len(records)} bytes, "
                    f"{size} an image; download the original file again"
                )
            records = records.reshape(-1, size)
            return records[:, self.label_bytes - 1], records[:, self.label_bytes :]
        if stem in files:
            batch = _unpickled(files[stem], f"{data_file}: {stem}")
            labels, pixels = np.array(batch.get(self.labels_key, [])), batch.get("data")
            if not isinstance(pixels, np.ndarray) or pixels.shape != (labels.size, _PIXELS) or not labels.size:
                raise DataError(
                    f"{data_file}: {stem} is not of {type(self).__name__}; received the keys {', '.join(batch)}; "
                    "download the original file again"
                )
            return labels, pixels
        raise DataError(
            f"{data_file}: has no file {stem}.bin or {stem}; received {', '.join(sorted(files)) or 'none'}; "
            f"give the original archive of {type(self).__name__}, or the folder with its files"
        )

    def _names(self, files: Mapping[str, bytes]) -> Sequence[str]:
        if f"{self.names_file}.txt" in files:
            return files[f"{self.names_file}.txt"].decode().split()
        meta = "batches.meta" if "batches.meta" in files else "meta"
        return _unpickled(files[meta], meta).get(self.names_key, ()) if meta in files else ()


class Cifar10(Cifar):
    """CIFAR-10: 32x32 images of 10 classes; 50000 to train, 10000 to test.

    `data_file` is the original archive, binary or python version, or the folder with its files; without it,
    the binary version is downloaded once.
    """

    url = f"{_SITE}/cifar-10-binary.tar.gz#md5=c32a1d4ab5d03f1284b67883e8d87530"
    parts = {"train": [f"data_batch_{number}" for number in range(1, 6)], "test": ["test_batch"]}
    names_file = "batches.meta"
    label_bytes = 1
    labels_key = "labels"
    names_key = "label_names"


class Cifar100(Cifar):
    """CIFAR-100: 32x32 images of 100 (fine) classes; 50000 to train, 10000 to test. Files as for Cifar10."""

    url = f"{_SITE}/cifar-100-binary.tar.gz#md5=03b5dce01913d631647c71ecec9e9cb8"
    parts = {"train": ["train"], "test": ["test"]}
    names_file = "fine_label_names"
    label_bytes = 2
    labels_key = "fine_labels"
    names_key = "fine_label_names"


def _sample(labels: NDArray[np.int64], num_per_label: int, seed: int) -> NDArray[np.int64]:
    """Return the places of so many labels of each class, class by class, drawn without replacement."""
    rng = np.random.default_rng(seed)
    places = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    fewest = min(map(len, places))
    if num_per_label > fewest:
        raise ValueError(f"sample_per_label: a class has {fewest} images; received {num_per_label}")
    return np.concatenate([rng.choice(of_class, num_per_label, replace=False) for of_class in places])


def _members(path: Path, wanted: Set[str]) -> dict[str, bytes]:
    """Return the wanted files of an archive or folder by name. Raises DataError."""
    try:
        if path.is_dir():
            return {file.name: file.read_bytes() for file in path.iterdir() if file.name in wanted}
        with tarfile.open(path) as archive:
            return dict(_unpacked(archive, wanted))
    except OSError as error:  # gzip.BadGzipFile is one, without strerror
        reason = error.strerror or error
        raise DataError(f"data_file: can't be read; received '{path}' ({reason}); check the path") from error
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path}: not an archive, or damaged; received '{error}'; download the original file again"
        ) from error


def _unpacked(archive: tarfile.TarFile, wanted: Set[str]) -> Iterator[tuple[str, bytes]]:
    for member in archive:
        name = Path(member.name).name
        file = archive.extractfile(member) if name in wanted else None
        if file is not None:
            yield name, file.read()
    assert archive.fileobj is not None  # it is open
    archive.fileobj.read(-1)  # to the end, where the checksum of a .gz is verified


def _unpickled(data: bytes, name: str) -> dict[str, Any]:
    try:
        return pdparams.read_from(io.BytesIO(data), name)
    except CheckpointError as error:
        raise DataError(f"{name}: not a CIFAR file; received another pickle; get the original") from error
