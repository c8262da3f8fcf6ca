"""Files of paddle.save, read without running what they say."""

import contextlib
import io
import os
import pickle
import random
import resource
import shutil
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from ppcls import pdparams
from ppcls.errors import CheckpointError

STATES = {
    "epoch": 3,
    "best": 0.75,
    "name": "ResNet18",
    "none": None,
    "flags": [True, False],
    "pair": (1, ("a", 2.5)),
    "bytes": b"\x00\xff",
    "nested": {"moment": {"w_0": np.arange(6, dtype=np.float32).reshape(2, 3)}, 7: "seven"},
    "scalar": np.float64(0.1),
    "random": ("MT19937", np.arange(4, dtype=np.uint32), 2, 0, 0.0),
}


def assert_same(actual: Any, expected: Any) -> None:
    assert type(actual) is type(expected)
    if isinstance(expected, dict):
        assert list(actual) == list(expected)
        for key in expected:
            assert_same(actual[key], expected[key])
    elif isinstance(expected, (list, tuple)):
        assert len(actual) == len(expected)
        for one, other in zip(actual, expected):
            assert_same(one, other)
    elif isinstance(expected, np.ndarray):
        assert actual.dtype == expected.dtype
        assert actual.flags.writeable
        np.testing.assert_array_equal(actual, expected)
    else:
        assert actual == expected


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_a_state_dict_of_paddle_is_read_bit_for_bit(tmp_path: Path, protocol: int) -> None:
    layer = paddle.nn.Sequential(paddle.nn.Linear(3, 2), paddle.nn.BatchNorm2D(2))
    paddle.save(layer.state_dict(), str(tmp_path / "a.pdparams"), protocol=protocol)
    assert_same(
        pdparams.read(tmp_path / "a.pdparams"),
        {key: tensor.numpy() for key, tensor in layer.state_dict().items()},
    )


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_nested_tensors_saved_as_pairs_are_read_as_arrays(tmp_path: Path, protocol: int) -> None:
    weight = paddle.to_tensor([[1.0, 2.0]])
    states = {"master_weights": {"w_0": weight}, "LR_Scheduler": {"last_epoch": 2}, "list": [weight]}
    paddle.save(states, str(tmp_path / "a.pdopt"), protocol=protocol)
    read = pdparams.read(tmp_path / "a.pdopt")
    array = weight.numpy()
    assert_same(read, {"master_weights": {"w_0": array}, "LR_Scheduler": {"last_epoch": 2}, "list": [array]})


def test_the_list_of_one_optimizer_that_paddleclas_writes_is_read_as_its_state(tmp_path: Path) -> None:
    paddle.save([{"w_velocity_0": paddle.ones([2])}], str(tmp_path / "a.pdopt"))
    assert_same(pdparams.read(tmp_path / "a.pdopt"), {"w_velocity_0": np.ones(2, np.float32)})


def test_bfloat16_is_read_as_uint16(tmp_path: Path) -> None:
    paddle.save({"w": paddle.ones([2]).astype("bfloat16")}, str(tmp_path / "a.pdparams"))
    assert_same(pdparams.read(tmp_path / "a.pdparams"), {"w": np.full(2, 0x3F80, np.uint16)})


def test_arrays_cut_into_slices_are_put_together(tmp_path: Path) -> None:
    whole = np.arange(6, dtype=np.float32).reshape(2, 3)
    cut = {
        "w@@.0": whole.reshape(-1)[:4],
        "w@@.1": whole.reshape(-1)[4:],
        "UnpackBigParamInfor@@": {"w": {"OriginShape": (2, 3), "slices": ["w@@.0", "w@@.1"]}},
        "StructuredToParameterName@@": {"w": "linear_0.w_0"},
    }
    (tmp_path / "a.pdparams").write_bytes(pickle.dumps(cut, protocol=2))
    assert_same(pdparams.read(tmp_path / "a.pdparams"), {"w": whole})


def test_arrays_named_by_numpy_1_or_pickled_by_python_2_are_read(tmp_path: Path) -> None:
    array = np.asfortranarray(np.arange(6, dtype=">i8").reshape(2, 3))
    old = pickle.dumps(OrderedDict(w=array), protocol=2).replace(b"numpy._core.", b"numpy.core.")
    (tmp_path / "a.pdparams").write_bytes(old)
    assert_same(pdparams.read(tmp_path / "a.pdparams"), {"w": array})
    python_2 = (
        b"\x80\x02}U\x01wcnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x01\x85cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff"
        b"K\x00tb\x89U\x04\x00\x00\x80\xbftbs."
    )
    (tmp_path / "b.pdparams").write_bytes(python_2)
    assert_same(pdparams.read(tmp_path / "b.pdparams"), {"w": np.array([-1], np.float32)})


def test_what_is_written_is_read_back_unchanged(tmp_path: Path) -> None:
    pdparams.write(tmp_path / "a.pdstates", STATES)
    assert_same(pdparams.read(tmp_path / "a.pdstates"), STATES)
    assert os.listdir(tmp_path) == ["a.pdstates"]


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (1,), (2, 3, 4)])
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float16", "float32", "float64", "complex64"])
def test_arrays_of_any_shape_and_type_survive(tmp_path: Path, shape: tuple[int, ...], dtype: str) -> None:
    array = np.ones(shape).astype(dtype)
    pdparams.write(tmp_path / "a.pdparams", {"w": array, "transposed": array.T})
    assert_same(pdparams.read(tmp_path / "a.pdparams"), {"w": array, "transposed": array.T})


def test_paddle_reads_what_is_written(tmp_path: Path) -> None:
    states = {key: value for key, value in STATES.items() if key not in ("bytes", "random")}
    pdparams.write(tmp_path / "a.pdstates", states)
    read = paddle.load(str(tmp_path / "a.pdstates"), return_numpy=True)
    assert_same(read, states)
    assert isinstance(paddle.load(str(tmp_path / "a.pdstates"))["nested"]["moment"]["w_0"], paddle.Tensor)


@pytest.mark.parametrize(
    "value", [object(), {1, 2}, np.array([object()]), ("name", np.ones(1)), np.ones(1).view(np.recarray)]
)
def test_values_that_could_not_be_read_back_are_not_written(tmp_path: Path, value: Any) -> None:
    with pytest.raises(TypeError):
        pdparams.write(tmp_path / "a.pdparams", {"x": [value]})
    assert not list(tmp_path.iterdir())


class Call:
    """Pickles as a call of `function`."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize(
    ("call", "name"),
    [
        (Call(os.mkdir, "hacked"), "posix.mkdir"),
        (Call(eval, "open('hacked', 'w')"), "builtins.eval"),
        (Call(getattr, "text", "upper"), "builtins.getattr"),
        (Call(np.load, "hacked"), "numpy.load"),
        (Call(shutil.rmtree, "a.pdparams"), "shutil.rmtree"),
    ],
)
def test_a_crafted_file_runs_nothing_and_its_function_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: int, call: Call, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.pdparams").write_bytes(pickle.dumps({"w": call}, protocol=protocol))
    with pytest.raises(CheckpointError, match=f"asks for '{name}'"):
        pdparams.read("a.pdparams")
    assert os.listdir() == ["a.pdparams"]


def test_a_crafted_file_cannot_change_how_later_files_are_read(tmp_path: Path) -> None:
    hostile = b"\x80\x02c_codecs\nencode\nN}U\x0c__defaults__U\x03abc\x85s\x86b."
    (tmp_path / "a.pdparams").write_bytes(hostile)
    with pytest.raises(CheckpointError):
        pdparams.read(tmp_path / "a.pdparams")
    states = {"x": b"", "y": b"1", "z": np.ones(2)}
    (tmp_path / "b.pdparams").write_bytes(pickle.dumps(states, protocol=2))
    assert_same(pdparams.read(tmp_path / "b.pdparams"), states)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04 a zip",
        b"<html>404</html>",
        pickle.dumps([1, 2]),
        pickle.dumps("text"),
        pickle.dumps({1: 2}),
        pickle.dumps({"x": {3}}),
        b"\x80\x02cnumpy\nndarray\n.",
        b"\x80\x02]q\x00h\x00a.",
    ],
)
def test_other_files_are_refused_by_their_path(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.pdparams").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"a\.pdparams: not a weights file or damaged; .+; give"):
        pdparams.read(tmp_path / "a.pdparams")


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    content = pickle.dumps({"w": np.ones(3, np.float32), "n": ("a", 1)}, protocol=4)
    for length in range(len(content)):
        (tmp_path / "a.pdparams").write_bytes(content[:length])
        with pytest.raises(CheckpointError):
            pdparams.read(tmp_path / "a.pdparams")


@pytest.fixture
def little_memory() -> Iterator[None]:
    """One more GiB for this process: a damaged size may ask for more than the machine has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 2**30, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize("protocol", [2, 4])
def test_damaged_bytes_are_read_or_refused_but_never_crash(tmp_path: Path, protocol: int) -> None:
    buffer = io.BytesIO()
    pickle.dump({"w": np.ones((2, 2), np.float32), "s": np.float64(1), "t": (1, "a")}, buffer, protocol)
    generator = random.Random(0)
    for _ in range(1500):
        content = bytearray(buffer.getvalue())
        for _ in range(generator.randint(1, 3)):
            content[generator.randrange(len(content))] = generator.randrange(256)
        (tmp_path / "a.pdparams").write_bytes(content)
        with contextlib.suppress(CheckpointError):
            pdparams.read(tmp_path / "a.pdparams")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"none\.pdparams: can't be read; No such file or directory; give"):
        pdparams.read(tmp_path / "none.pdparams")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    """The limit on a file's size stands for a full disk."""
    pdparams.write(tmp_path / "a.pdparams", {"w": np.zeros(2)})
    code = f"""
import resource, numpy
from ppcls import pdparams
from ppcls.errors import CheckpointError
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, {resource.RLIM_INFINITY}))
try:
    pdparams.write({str(tmp_path / "a.pdparams")!r}, {{"w": numpy.zeros(100_000)}})
except CheckpointError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "a.pdparams: can't be written; File too large; free" in done.stdout
    assert os.listdir(tmp_path) == ["a.pdparams"]
    assert_same(pdparams.read(tmp_path / "a.pdparams"), {"w": np.zeros(2)})


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"can't be written; No such file or directory"):
        pdparams.write(tmp_path / "none/a.pdparams", {})
