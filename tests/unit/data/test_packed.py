"""A pack gives back what was put in, to any number of workers, and is refused when it is damaged or crafted."""

import io
import pickle
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ppcls.data.loader.loader import Loader
from ppcls.data.samplers.base import Batching, BatchSampler
from ppcls.data.sources.names import Names
from ppcls.data.sources.packed import Pack, PackedDataset, write_pack
from ppcls.errors import CheckpointError, DataError
from ppcls.images import TRANSFORMS
from ppcls.images.pipeline import Pipeline

COUNT = 21
NAMES = [f"cläss {index % 3}/{index} .png" for index in range(COUNT)]
LABELS = np.arange(COUNT) % 3
PIPELINE = Pipeline([TRANSFORMS.load("RandCropImage")(12), TRANSFORMS.load("RandFlipImage")()])


def images() -> list[bytes]:
    rng = np.random.default_rng(0)
    images = (rng.integers(0, 256, (20, 30 + index, 3), dtype=np.uint8) for index in range(COUNT))
    return [cv2.imencode(".png", image)[1].tobytes() for image in images]


@pytest.fixture
def path(tmp_path: Path) -> str:
    file = tmp_path / "train.pack"
    size = write_pack(str(file), images(), LABELS, Names(NAMES), ["a", "b c", "d"])
    assert size == file.stat().st_size
    return str(file)


def test_a_pack_gives_back_what_was_put_in(path: str) -> None:
    pack = Pack(path)
    assert len(pack) == COUNT and list(pack.names) == NAMES and pack.label_names == ["a", "b c", "d"]
    assert pack.labels.dtype == np.int64 and pack.labels.tolist() == LABELS.tolist()
    expected = images()
    for index in np.random.default_rng(0).permutation(COUNT).tolist():
        assert pack.read(index) == expected[index] and pack.is_intact(index)
    dataset = PackedDataset(PIPELINE, 3, data_file=path)
    assert dataset.where(4) == f"{path}: {NAMES[4]}"
    assert list(dataset.label_names) == ["a", "b c", "d"]


@pytest.mark.parametrize("use_shared_memory", [True, False])
def test_batches_are_equal_for_any_number_of_workers(path: str, use_shared_memory: bool) -> None:
    def batches(num_workers: int) -> list[bytes]:
        dataset = PackedDataset(PIPELINE, 3, data_file=path)
        sampler = BatchSampler(dataset.labels, 7, 0, 1, False, Batching(batch_size=4, shuffle=True))
        loader = Loader(dataset, sampler, [], 7, num_workers=num_workers, use_shared_memory=use_shared_memory)
        found = [
            array.tobytes()
            for epoch in (0, 1)
            for batch in loader.epoch(epoch)
            for array in (batch.images, batch.labels)
        ]
        loader.close()
        return found

    expected = batches(0)
    assert all(batches(num_workers) == expected for num_workers in (1, 2, 4))


def test_labels_may_be_vectors(tmp_path: Path) -> None:
    labels = np.random.default_rng(0).integers(0, 2, (COUNT, 5)).astype(np.float32)
    path = str(tmp_path / "a.pack")
    write_pack(path, images(), labels, Names(NAMES), [])
    np.testing.assert_array_equal(PackedDataset(PIPELINE, 5, data_file=path).labels, labels)
    with pytest.raises(DataError, match="a different number of labels per image; received 5 for class_num 4"):
        PackedDataset(PIPELINE, 4, data_file=path)


def test_a_label_out_of_range_is_named(path: str) -> None:
    with pytest.raises(DataError, match="train.pack: cläss 2/2 .png: here is the first of 7 .* 2 for class_num 2"):
        PackedDataset(PIPELINE, 2, data_file=path)


def test_a_pack_that_could_not_be_finished_leaves_nothing(path: str, tmp_path: Path) -> None:
    before = Path(path).read_bytes()

    def interrupted() -> Iterator[bytes]:
        yield b"first"
        raise DataError("the second can't be read")

    with pytest.raises(DataError, match="the second"):
        write_pack(path, interrupted(), LABELS, Names(NAMES), [])
    assert [file.name for file in tmp_path.iterdir()] == ["train.pack"] and Path(path).read_bytes() == before
    with pytest.raises(CheckpointError, match="can't be written; No such file or directory"):
        write_pack(str(tmp_path / "none/a.pack"), [], LABELS[:0], Names([]), [])


def test_a_damaged_pack_is_refused(path: str) -> None:
    whole = Path(path).read_bytes()
    refused = "train.pack: not a pack, or damaged; received a file where {}; write it again"
    for data, fault in [
        (b"PK" + whole, "it doesn't start as a pack"),
        (whole[:20], "it doesn't start as a pack"),
        (whole[:10] + b"\x01" + whole[11:], "its header is damaged"),
        (whole[:-1], "it is cut or its index is damaged"),
        (whole[: len(whole) // 2], "it is cut or its index is damaged"),
        (whole[:-40] + b"\x55" + whole[-39:], "it is cut or its index is damaged"),
    ]:
        Path(path).write_bytes(data)
        with pytest.raises(DataError, match=refused.format(fault)):
            Pack(path)
    Path(path).write_bytes(b"")
    with pytest.raises(DataError, match=r"data_file: can't be read; received '.*' \(cannot mmap an empty file"):
        Pack(path)
    with pytest.raises(DataError, match=r"data_file: can't be read; received '/nowhere' \(No such file"):
        Pack("/nowhere")


class Harm:
    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, ("raise SystemExit('code in a pack ran')",))


@pytest.mark.parametrize(
    "changes",
    [
        {"ends": np.full(COUNT, 1 << 60)},
        {"ends": np.full(COUNT, -5)},
        {"ends": np.arange(COUNT)[::-1] * 10 + 100},
        {"ends": np.arange(COUNT, dtype=np.float64)},
        {"ends": np.array([], np.int64)},
        {"labels": LABELS[:-1]},
        {"labels": LABELS.astype(np.float32)},
        {"labels": np.zeros((COUNT, 2, 2), np.float32)},
        {"labels": np.array([Harm()] * COUNT, object)},
        {"names_ends": np.full(COUNT, 1 << 40)},
        {"names": np.zeros(10, np.int64)},
        {"label_names": np.zeros(3)},
        {"sums": None},
    ],
)
def test_a_crafted_index_is_refused(path: str, changes: dict[str, Any]) -> None:
    data = Path(path).read_bytes()
    _, offset, _, _ = struct.unpack_from("<8sQQI", data)
    arrays = {**np.load(io.BytesIO(data[offset:])), **changes}
    index = io.BytesIO()
    np.savez(index, **{name: array for name, array in arrays.items() if array is not None})
    header = struct.pack("<8sQQI", b"ppclspk1", offset, len(index.getvalue()), zlib.crc32(index.getvalue()))
    header += struct.pack("<I", zlib.crc32(header))
    Path(path).write_bytes(header + data[len(header) : offset] + index.getvalue())
    with pytest.raises(DataError, match="train.pack: not a pack; received a wrong index"):
        Pack(path)


def test_a_changed_record_is_found_and_a_replaced_file_is_refused(path: str) -> None:
    pack = Pack(path)
    data = bytearray(Path(path).read_bytes())
    data[100] ^= 1
    Path(path).write_bytes(data)
    assert [index for index in range(COUNT) if not Pack(path).is_intact(index)] == [0]
    state = pickle.dumps(pack)
    assert pickle.loads(state).read(3) == images()[3]
    write_pack(path, [b"other"], LABELS[:1], Names(NAMES[:1]), [])
    with pytest.raises(DataError, match="train.pack: was replaced while in use"):
        pickle.loads(state)
