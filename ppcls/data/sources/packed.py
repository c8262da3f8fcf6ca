"""Many images in one file: no small files to open, and one to copy.

A pack is a header, the images' files one after another, and an index (an .npz of where each ends, its CRC-32,
label and name). The header, written last, has the index's place and CRC-32, and its own.
"""

import io
import mmap
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ppcls.data.sources.base import LabelledImages, Labels
from ppcls.data.sources.checks import check_range, note_absent
from ppcls.data.sources.names import Names
from ppcls.errors import DataError
from ppcls.files import replacing
from ppcls.images.pipeline import Pipeline

# Magic with the version, the index's offset, length and CRC-32; then the CRC-32 of these.
_HEADER = struct.Struct("<8sQQI")
_MAGIC = b"ppclspk1"
_START = _HEADER.size + 4


def write_pack(path: str, records: Iterable[bytes], labels: Labels, names: Names, label_names: Sequence[str]) -> int:
    """Write a pack, whole or not at all; return its size in bytes. Raises what `records` raises, or CheckpointError.

    There is one record, the bytes of an image file, for each of `labels` and `names`.
    """
    with replacing(path) as file:
        file.write(bytes(_START))
        ends, sums = [], []
        for record in records:
            file.write(record)
            ends.append(file.tell())
            sums.append(zlib.crc32(record))
        assert len(ends) == len(labels) == len(names)
        index = io.BytesIO()
        np.savez(
            index,
            ends=np.array(ends, np.int64),
            sums=np.array(sums, np.uint32),
            labels=labels,
            names=names.block,
            names_ends=names.ends,
            label_names=np.array(label_names, np.str_),
        )
        _write_index(file, index.getvalue())
        return file.tell()


def _write_index(file: BinaryIO, index: bytes) -> None:
    header = _HEADER.pack(_MAGIC, file.tell(), len(index), zlib.crc32(index))
    file.write(index)
    end = file.tell()
    file.seek(0)
    file.write(header + struct.pack("<I", zlib.crc32(header)))
    file.seek(end)


class Pack:
    """A pack that is open for reading. Another process gets it by its path and opens it anew.

    Raises: DataError if it is not a pack, or its header or index is damaged.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._open()
        index = self._index()
        self.ends: NDArray[np.int64] = index["ends"]
        self.sums: NDArray[np.uint32] = index["sums"]
        self.labels: Labels = index["labels"]
        self.names = Names.of(index["names"], index["names_ends"])
        self.label_names: list[str] = index["label_names"].tolist()

    def _open(self) -> None:
        try:
            with open(self.path, "rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise DataError(f"data_file: can't be read; received '{self.path}' ({reason}); check the path") from error
        self._header = self._map[:_START]

    def _index(self) -> Mapping[str, NDArray[Any]]:
        fault = "it doesn't start as a pack"
        if self._header[:8] == _MAGIC and len(self._header) == _START:
            _, offset, length, checksum = _HEADER.unpack_from(self._header)
            index = self._map[offset : offset + length]
            fault = "its header is damaged"
            if struct.pack("<I", zlib.crc32(self._header[:-4])) == self._header[-4:]:
                fault = "it is cut or its index is damaged"
                if len(index) == length and zlib.crc32(index) == checksum:
                    return self._arrays(index, offset)
        raise DataError(
            f"{self.path}: not a pack, or damaged; received a file where {fault}; write it again (data pack)"
        )

    def _arrays(self, index: bytes, records_end: int) -> Mapping[str, NDArray[Any]]:
        try:
            arrays = dict(np.load(io.BytesIO(index), allow_pickle=False))
            ends, count = arrays["ends"], len(arrays["ends"])
            bounds = np.concatenate([[_START], ends, [records_end]])
            sound = ends.dtype == np.int64 and bool((np.diff(bounds) >= 0).all())
            kinds = {"sums": "u4", "names_ends": "i8", "labels": "f4" if arrays["labels"].ndim == 2 else "i8"}
            for name, dtype in kinds.items():
                sound = sound and len(arrays[name]) == count and arrays[name].dtype == dtype
            name_bounds = np.concatenate([[0], arrays["names_ends"], [len(arrays["names"])]])
            sound = sound and bool((np.diff(name_bounds) >= 0).all()) and arrays["names"].dtype == np.uint8
            sound = sound and arrays["label_names"].dtype.kind == "U" and count > 0
        except (KeyError, ValueError, TypeError, zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise DataError(f"{self.path}: not a pack; received a wrong index ({error}); write it again") from error
        if not sound:
            raise DataError(f"{self.path}: not a pack; received a wrong index; write it again (data pack)")
        return arrays

    def __len__(self) -> int:
        return len(self.ends)

    def read(self, index: int) -> bytes:
        """Return the bytes of an image file."""
        start = int(self.ends[index - 1]) if index else _START
        end = int(self.ends[index])
        # Read as a whole, not page by page as it is touched.
        page = start - start % mmap.PAGESIZE
        self._map.madvise(mmap.MADV_WILLNEED, page, end - page)
        return self._map[start:end]

    def is_intact(self, index: int) -> bool:
        """Return whether an image's bytes are those that were packed."""
        return bool(zlib.crc32(self.read(index)) == self.sums[index])

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_map"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        header = self._header
        self._open()
        if self._header != header:
            raise DataError(f"{self.path}: was replaced while in use; received another file; start again")


class PackedDataset(LabelledImages):
    """The images of a file that `ppcls data pack` wrote, with the labels that they had there."""

    def __init__(self, pipeline: Pipeline, class_num: int, *, data_file: str, skip_corrupt: bool = False) -> None:
        pack = Pack(data_file)
        if pack.labels.ndim == 1:
            check_range(pack.labels, class_num, lambda index: f"{data_file}: {pack.names[index]}")
        elif pack.labels.shape[1] != class_num:
            raise DataError(
                f"{data_file}: has a different number of labels per image; received {pack.labels.shape[1]} for "
                f"class_num {class_num}; set class_num"
            )
        note_absent(data_file, pack.labels, class_num)
        super().__init__(pipeline, labels=pack.labels, label_names=pack.label_names, skip_corrupt=skip_corrupt)
        self._pack = pack

    def where(self, index: int) -> str:
        return f"{self._pack.path}: {self._pack.names[index]}"

    def read(self, index: int) -> bytes:
        return self._pack.read(index)
