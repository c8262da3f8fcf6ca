"""Files of torch.save, written here by hand as PyTorch writes them, and by PyTorch itself where it is installed."""

import pickle
import random
import re
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any, Optional

import numpy as np
import pytest

from ppcls import torch_file
from ppcls.errors import CheckpointError

DTYPES = {"FloatStorage": "f4", "LongStorage": "i8", "HalfStorage": "f2", "BFloat16Storage": "u2", "BoolStorage": "?"}


class Named:
    """Pickles as the global `name`, called with the arguments, if there are some."""

    def __init__(self, name: str, *arguments: Any) -> None:
        self.name, self.arguments = name, arguments


class Storage:
    """Pickles as the persistent id of a storage."""

    def __init__(self, kind: str, key: str, length: int) -> None:
        self.id = ("storage", Named(f"torch {kind}"), key, "cpu", length)


def tensor(values: np.ndarray, files: dict[str, bytes], kind: str = "FloatStorage", key: Optional[str] = None) -> Named:
    """Return a tensor as PyTorch pickles it, and put its numbers among the files."""
    key = str(len(files)) if key is None else key
    files[f"data/{key}"] = values.astype(f"<{DTYPES[kind]}").tobytes()
    strides = tuple(stride // values.itemsize for stride in values.strides)
    storage = Storage(kind, key, values.size)
    return Named("torch._utils _rebuild_tensor_v2", storage, 0, values.shape, strides, False, OrderedDict())


def pickled(value: Any) -> bytes:
    """Return protocol 2 opcodes of plain values, Named and Storage."""
    if isinstance(value, Storage):
        return pickled(value.id) + b"Q"
    if isinstance(value, Named):
        name = b"c" + value.name.replace(" ", "\n").encode() + b"\n"
        return name + pickled(value.arguments) + b"R" if value.arguments else name
    if isinstance(value, tuple):
        return b"(" + b"".join(map(pickled, value)) + b"t"
    if isinstance(value, dict):
        start = b"ccollections\nOrderedDict\n)R" if isinstance(value, OrderedDict) else b"}"
        return start + b"(" + b"".join(pickled(key) + pickled(item) for key, item in value.items()) + b"u"
    return pickle.dumps(value, 2)[2:-1]


def save(path: Path, value: Any, files: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + pickled(value) + b".")
        archive.writestr("archive/byteorder", "little")
        for name, content in files.items():
            archive.writestr(f"archive/{name}", content)
        archive.writestr("archive/version", "3\n")
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.pth"


def test_tensors_of_all_kinds_are_read_as_arrays(path: Path) -> None:
    values = {
        "FloatStorage": np.arange(6, dtype="f4").reshape(2, 3),
        "LongStorage": np.array(5),
        "HalfStorage": np.zeros((0, 3), "f2"),
        "BFloat16Storage": np.array([0x3F80], "u2"),
        "BoolStorage": np.array([True, False]),
    }
    files: dict[str, bytes] = {}
    saved = OrderedDict((kind, tensor(array, files, kind)) for kind, array in values.items())
    read = torch_file.read(save(path, {"state_dict": saved, "epoch": 3, "lr": 0.5}, files))
    assert (read["epoch"], read["lr"]) == (3, 0.5)
    assert list(read["state_dict"]) == list(values)
    for kind, array in values.items():
        assert read["state_dict"][kind].dtype == DTYPES[kind]
        np.testing.assert_array_equal(read["state_dict"][kind], array)


def test_tensors_may_hold_more_than_their_pickle_but_not_many_times_their_storage(path: Path) -> None:
    files: dict[str, bytes] = {}
    large = tensor(np.arange(100_000), files)
    assert torch_file.read(save(path, {"w": large}, files))["w"][-1] == 99_999
    save(path, {str(number): large for number in range(4)}, files)
    with pytest.raises(CheckpointError, match="it makes more of its content than weights do"):
        torch_file.read(path)


def test_tensors_that_share_a_storage_and_parameters_are_read(path: Path) -> None:
    files = {"data/0": np.arange(6, dtype="<f4").tobytes()}
    storage = Storage("FloatStorage", "0", 6)
    transposed = Named("torch._utils _rebuild_tensor_v2", storage, 0, (3, 2), (1, 3), False, OrderedDict())
    end = Named("torch._utils _rebuild_tensor_v2", storage, 4, (2,), (1,), False, OrderedDict())
    parameter = Named("torch._utils _rebuild_parameter", end, True, OrderedDict())
    read = torch_file.read(save(path, {"w": transposed, "b": parameter}, files))
    np.testing.assert_array_equal(read["w"], [[0, 3], [1, 4], [2, 5]])
    np.testing.assert_array_equal(read["b"], [4, 5])


def rebuilt(*arguments: Any) -> dict[str, Any]:
    return {"w": Named("torch._utils _rebuild_tensor_v2", *arguments)}


WHOLE = Storage("FloatStorage", "0", 2)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"w": Named("os system", "touch hacked")}, "it asks for 'os.system', which no weights need; save model."),
        ({"w": Named("torchvision.models.resnet ResNet", 1)}, "it asks for 'torchvision.models.resnet.ResNet'"),
        (rebuilt(WHOLE, 1, (2,), (1,)), "strides is incompatible"),
        (rebuilt(WHOLE, 0, (10**9, 10**9), (0, 0)), "more elements than are stored (2)"),
        (rebuilt(WHOLE, 0, (2,), (-1,)), "damaged tensor"),
        (rebuilt(WHOLE, 0, (10**9, (1,)), (0, 0)), "damaged tensor"),
        (rebuilt(Storage("FloatStorage", "0", 3), 0, (2,), (1,)), "data/'0' has 8 bytes"),
        (rebuilt(Storage("FloatStorage", "7", 2), 0, (2,), (1,)), "There is no item named 'archive/data/7'"),
        (rebuilt(Storage("QuantStorage", "0", 2), 0, (2,), (1,)), "it asks for 'torch.QuantStorage'"),
        (("w", 1), "it does not hold a mapping of names"),
    ],
)
def test_anything_but_whole_tensors_is_refused_and_nothing_is_run(
    path: Path, monkeypatch: pytest.MonkeyPatch, value: Any, message: str
) -> None:
    monkeypatch.chdir(path.parent)
    save(path, value, {"data/0": bytes(8)})
    with pytest.raises(
        CheckpointError, match=r"a\.pth: not a PyTorch file of weights, or damaged; .*" + re.escape(message)
    ):
        torch_file.read(path)
    assert [file.name for file in path.parent.iterdir()] == ["a.pth"]


def test_a_compressed_file_which_could_be_a_bomb_is_refused(path: Path) -> None:
    save(path, {"w": 1}, {"data/0": bytes(10**6)}, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(CheckpointError, match="is compressed, which torch.save does not do"):
        torch_file.read(path)


def test_the_old_form_is_told_with_the_way_to_convert_it(path: Path) -> None:
    path.write_bytes(pickle.dumps(0x1950A86A20F9469CFC6C, 2) + b"more")
    with pytest.raises(
        CheckpointError, match=r"in the form of PyTorch before 1\.6, which is not read here; convert it with"
    ):
        torch_file.read(path)


@pytest.mark.parametrize("content", [b"", b"<html>log in</html>", b"version https://git-lfs.github.com/spec/v1\n"])
def test_what_is_no_zip_file_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="not a PyTorch file or damaged; it is not a zip file; download it again"):
        torch_file.read(path)


def test_a_zip_file_of_something_else_is_refused(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("photo.jpg", "x")
    with pytest.raises(CheckpointError, match="it has no data.pkl"):
        torch_file.read(path)


def test_damaged_bytes_are_read_or_refused(path: Path) -> None:
    files: dict[str, bytes] = {}
    content = save(path, {"w": tensor(np.ones(3, "f4"), files), "n": 1}, files).read_bytes()
    rng, read = random.Random(0), 0
    for _ in range(600):
        damaged = bytearray(content[: rng.randrange(len(content))] if rng.random() < 0.2 else content)
        for _ in range(rng.randint(1, 3)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        path.write_bytes(damaged)
        try:
            torch_file.read(path)
            read += 1
        except CheckpointError as error:
            assert str(error).startswith(f"{path}: ") and len(str(error)) < 500
    assert read < 300  # the checksums of the zip file find most


def test_what_pytorch_itself_writes_is_read(path: Path) -> None:
    torch = pytest.importorskip("torch")
    layers = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten())
    more = {
        "transposed": torch.arange(6.0).reshape(2, 3).T,
        "part": torch.arange(6)[2:4],
        "scalar": torch.tensor(2.5, dtype=torch.float64),
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "half": torch.ones(2).half(),
    }
    torch.save({"state_dict": layers.state_dict(), "more": more, "size": torch.Size([1, 2]), "epoch": 3}, path)
    read = torch_file.read(path)
    assert (read["size"], read["epoch"]) == ((1, 2), 3)
    for found, saved in ((read["state_dict"], layers.state_dict()), (read["more"], more)):
        assert list(found) == list(saved)
        for name, value in saved.items():
            np.testing.assert_array_equal(found[name], value.detach().numpy())
