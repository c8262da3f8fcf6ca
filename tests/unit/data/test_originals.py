"""CIFAR and MNIST are read from files in their original forms, and only from those."""

import functools
import gzip
import hashlib
import http.server
import io
import pickle
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppcls.data.loader.loader import Loader
from ppcls.data.samplers.base import Batching, BatchSampler
from ppcls.data.sources.base import LabelledImages
from ppcls.data.sources.cifar import Cifar10, Cifar100
from ppcls.data.sources.mnist import MNIST, FashionMNIST
from ppcls.download import fetch
from ppcls.errors import DataError
from ppcls.images.pipeline import Pipeline

RNG = np.random.default_rng(0)
PIPELINE = Pipeline([])
# As in the files: planes of 32x32, red first.
PIXELS = RNG.integers(0, 256, (12, 3, 32, 32), dtype=np.uint8)
LABELS = np.array([9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0], np.uint8)
COARSE = np.full(12, 77, np.uint8)


def records(rows: slice, *label_columns: np.ndarray) -> bytes:
    columns = [column[rows, None] for column in label_columns]
    return np.concatenate([*columns, PIXELS[rows].reshape(-1, 3072)], axis=1).tobytes()


def archive(path: Path, files: dict[str, bytes]) -> str:
    with tarfile.open(path, "w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(f"cifar/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return str(path)


def binary_files() -> dict[str, bytes]:
    batches = {f"data_batch_{i}.bin": records(slice(2 * i - 2, 2 * i), LABELS) for i in range(1, 6)}
    names = b"airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n"
    return {**batches, "test_batch.bin": records(slice(10, 12), LABELS), "batches.meta.txt": names}


def python2_pickle(values: dict[str, Any]) -> bytes:
    """A pickle with the opcodes that Python 2 wrote: text keys, protocol 2, arrays through numpy.core."""
    return pickle.dumps(values, 2).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def python_files(label_key: str = "labels") -> dict[str, bytes]:
    def batch(rows: slice) -> bytes:
        return python2_pickle({label_key: LABELS[rows].tolist(), "data": PIXELS[rows].reshape(-1, 3072)})

    batches = {f"data_batch_{i}": batch(slice(2 * i - 2, 2 * i)) for i in range(1, 6)}
    names = python2_pickle({"label_names": ["airplane", "automobile"]})
    return {**batches, "test_batch": batch(slice(10, 12)), "batches.meta": names}


def check(dataset: LabelledImages, rows: slice, labels: np.ndarray = LABELS) -> None:
    assert dataset.labels.dtype == np.int64 and dataset.labels.tolist() == labels[rows].tolist()
    for index, pixels in enumerate(PIXELS[rows]):
        np.testing.assert_array_equal(dataset.sample(index, RNG), pixels.transpose(1, 2, 0))


@pytest.mark.parametrize("files", [binary_files(), python_files()], ids=["binary", "python"])
def test_cifar10_is_read_from_the_archive_or_its_folder(tmp_path: Path, files: dict[str, bytes]) -> None:
    path = archive(tmp_path / "cifar.tar.gz", files)
    check(Cifar10(PIPELINE, 10, 0, data_file=path), slice(10))
    check(Cifar10(PIPELINE, 10, 0, data_file=path, mode="test"), slice(10, 12))
    folder = tmp_path / "unpacked"
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    dataset = Cifar10(PIPELINE, 10, 0, data_file=str(folder))
    check(dataset, slice(10))
    assert list(dataset.label_names)[:2] == ["airplane", "automobile"]
    assert dataset.where(3) == f"{folder}: image 3"


def test_a_sample_of_each_class_is_drawn_by_the_seed_and_repeated(tmp_path: Path) -> None:
    labels = np.array([0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1])
    batch = {"labels": labels.tolist(), "data": PIXELS.reshape(-1, 3072)}
    path = archive(tmp_path / "cifar.tar.gz", {f"data_batch_{i}": python2_pickle(batch) for i in range(1, 6)})
    samples = [Cifar10(PIPELINE, 10, seed, data_file=path, sample_per_label=4, expand_labels=3) for seed in (0, 0, 1)]
    pixels = [np.stack([sample.sample(index, RNG) for index in range(24)]) for sample in samples]
    assert samples[0].labels.tolist() == [0, 0, 0, 0, 1, 1, 1, 1] * 3
    np.testing.assert_array_equal(pixels[0][:8], pixels[0][16:])
    np.testing.assert_array_equal(pixels[0], pixels[1])
    assert not np.array_equal(pixels[0], pixels[2])
    with pytest.raises(ValueError, match="sample_per_label: a class has 30 images; received 31"):
        Cifar10(PIPELINE, 10, 0, data_file=path, sample_per_label=31)


def test_cifar100_takes_the_fine_labels(tmp_path: Path) -> None:
    fine = LABELS * 11
    files = {
        "train.bin": records(slice(12), COARSE, fine),
        "fine_label_names.txt": b"apple\naquarium_fish\n",
        "coarse_label_names.txt": b"fish\n",
    }
    dataset = Cifar100(PIPELINE, 100, 0, data_file=archive(tmp_path / "a.tar.gz", files))
    check(dataset, slice(12), fine)
    assert list(dataset.label_names) == ["apple", "aquarium_fish"]
    batch = {"fine_labels": fine.tolist(), "coarse_labels": COARSE.tolist(), "data": PIXELS.reshape(-1, 3072)}
    meta = {"fine_label_names": ["apple", "aquarium_fish"]}
    files = {"train": python2_pickle(batch), "meta": python2_pickle(meta)}
    dataset = Cifar100(PIPELINE, 100, 0, data_file=archive(tmp_path / "b.tar.gz", files))
    check(dataset, slice(12), fine)
    assert list(dataset.label_names) == ["apple", "aquarium_fish"]


class Harm:
    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, ("raise SystemExit('code of a pickle ran')",))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "has no file data_batch_1.bin or data_batch_1; received none; give the original archive of Cifar10"),
        (
            {"data_batch_1.bin": b"x" * 3000},
            "data_batch_1.bin does not hold a whole number of images; received 3000 bytes",
        ),
        ({"data_batch_1.bin": b""}, "data_batch_1.bin does not hold a whole number of images; received 0 bytes"),
        ({**binary_files(), "data_batch_2.bin": b"\x0b" * 3073}, "image 2: here is the first of 1 .* received 11"),
        ({"data_batch_1": pickle.dumps({"a": Harm()})}, "data_batch_1: not a CIFAR file; received another pickle"),
        ({"data_batch_1": b"no pickle"}, "data_batch_1: not a CIFAR file"),
        ({"data_batch_1": python2_pickle({"labels": [1], "data": 3})}, "not of Cifar10; received the keys labels"),
    ],
)
def test_other_files_are_refused_as_cifar(tmp_path: Path, files: dict[str, bytes], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Cifar10(PIPELINE, 10, 0, data_file=archive(tmp_path / "cifar.tar.gz", files))


def test_a_damaged_or_missing_archive_is_refused(tmp_path: Path) -> None:
    path = Path(archive(tmp_path / "cifar.tar.gz", binary_files()))
    whole = path.read_bytes()
    for data in (whole[: len(whole) // 2], whole[:5000] + bytes(100) + whole[5100:], b"no archive"):
        path.write_bytes(data)
        with pytest.raises(DataError, match="cifar.tar.gz"):
            Cifar10(PIPELINE, 10, 0, data_file=str(path))
    with pytest.raises(DataError, match=r"data_file: can't be read; received '/nowhere' \(No such file"):
        Cifar10(PIPELINE, 10, 0, data_file="/nowhere")
    with pytest.raises(ValueError, match="data_file: is needed with download: False"):
        Cifar10(PIPELINE, 10, 0, download=False)


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


@pytest.fixture
def mnist(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "images.gz").write_bytes(gzip.compress(idx(PIXELS[:, 0, :28, :28])))
    (tmp_path / "labels").write_bytes(idx(LABELS))
    return {"image_path": str(tmp_path / "images.gz"), "label_path": str(tmp_path / "labels")}


def test_mnist_is_read_from_idx_files_and_comes_with_three_channels(mnist: dict[str, str]) -> None:
    dataset = MNIST(PIPELINE, 10, **mnist)
    assert dataset.labels.tolist() == LABELS.tolist() and list(dataset.label_names) == list("0123456789")
    image = dataset.sample(5, RNG)
    assert image.shape == (28, 28, 3)
    for channel in range(3):
        np.testing.assert_array_equal(image[..., channel], PIXELS[5, 0, :28, :28])
    assert FashionMNIST(PIPELINE, 10, **mnist).label_names[9] == "Ankle boot"


def test_other_files_are_refused_as_mnist(mnist: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match="labels: not an IDX file of bytes with 3 axes; received 20 bytes starting with"
    ):
        MNIST(PIPELINE, 10, image_path=mnist["label_path"], label_path=mnist["label_path"])
    (tmp_path / "short").write_bytes(idx(LABELS)[:-1])
    with pytest.raises(DataError, match="short: not an IDX file of bytes with 1 axes; received 19 bytes"):
        MNIST(PIPELINE, 10, image_path=mnist["image_path"], label_path=str(tmp_path / "short"))
    (tmp_path / "fewer").write_bytes(idx(LABELS[:5]))
    with pytest.raises(
        DataError, match="fewer: has a different number of entries than .* received 5 labels for 12 images"
    ):
        MNIST(PIPELINE, 10, image_path=mnist["image_path"], label_path=str(tmp_path / "fewer"))
    (tmp_path / "cut.gz").write_bytes(Path(mnist["image_path"]).read_bytes()[:-20])
    with pytest.raises(DataError, match="cut.gz: can't be read"):
        MNIST(PIPELINE, 10, image_path=str(tmp_path / "cut.gz"), label_path=mnist["label_path"])
    with pytest.raises(DataError, match="labels: image 0: here is the first of 2 labels .* received 9 for class_num 9"):
        MNIST(PIPELINE, 9, **mnist)


@pytest.mark.parametrize("kind", ["cifar", "mnist"])
def test_batches_are_equal_for_any_number_of_workers(tmp_path: Path, mnist: dict[str, str], kind: str) -> None:
    def batches(num_workers: int) -> list[bytes]:
        if kind == "mnist":
            dataset: LabelledImages = MNIST(PIPELINE, 10, **mnist)
        else:
            path = archive(tmp_path / "cifar.tar.gz", binary_files())
            dataset = Cifar10(PIPELINE, 10, 0, data_file=path)
        sampler = BatchSampler(dataset.labels, 0, 0, 1, False, Batching(batch_size=5, shuffle=True))
        loader = Loader(dataset, sampler, [], 0, num_workers=num_workers)
        found = [array.tobytes() for batch in loader.epoch(1) for array in (batch.images, batch.labels)]
        loader.close()
        return found

    expected = batches(0)
    assert all(batches(num_workers) == expected for num_workers in (1, 2, 4))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address that serves `tmp_path`; PPCLS_HOME is below it."""
    monkeypatch.setenv("PPCLS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class LocalCifar10(Cifar10):
    """Cifar10 from another address."""


class LocalMNIST(MNIST):
    """MNIST from another address."""


def test_what_is_not_given_is_downloaded_once_and_its_sum_verified(site: str, tmp_path: Path) -> None:
    path = Path(archive(tmp_path / "cifar-10-binary.tar.gz", binary_files()))
    LocalCifar10.url = f"{site}/{path.name}#md5={hashlib.md5(path.read_bytes()).hexdigest()}"
    check(LocalCifar10(PIPELINE, 10, 0), slice(10))
    path.unlink()
    check(LocalCifar10(PIPELINE, 10, 0, mode="test"), slice(10, 12))
    LocalMNIST.site = site
    sums = {}
    for name, array in (("train-images-idx3-ubyte.gz", PIXELS[:, 0]), ("train-labels-idx1-ubyte.gz", LABELS)):
        (tmp_path / name).write_bytes(gzip.compress(idx(array)))
        sums[name] = hashlib.md5((tmp_path / name).read_bytes()).hexdigest()
    LocalMNIST.md5 = sums
    assert len(LocalMNIST(PIPELINE, 10)) == 12
    names = sorted(file.name.split("-", 1)[1] for file in (tmp_path / "home/datasets").iterdir())
    assert names == ["cifar-10-binary.tar.gz", *sums]


def test_another_file_than_meant_is_not_kept(site: str, tmp_path: Path) -> None:
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(b"something else")
    LocalCifar10.url = f"{site}/cifar-10-binary.tar.gz#md5={'0' * 32}"
    with pytest.raises(DataError, match="tar.gz: not the expected file; its MD5 is [0-9a-f]{32}, not 00"):
        LocalCifar10(PIPELINE, 10, 0)
    assert list((tmp_path / "home/datasets").iterdir()) == []
    with pytest.raises(DataError, match="may only end with a checksum; received '#crc=1'; write #sha256"):
        fetch(f"{site}/a#crc=1", "datasets", Path, DataError)


def test_without_a_network_the_address_and_the_way_out_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PPCLS_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    message = (
        "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz: can't be downloaded; .*; download it by hand and"
    )
    with pytest.raises(DataError, match=message):
        Cifar10(PIPELINE, 10, 0)
