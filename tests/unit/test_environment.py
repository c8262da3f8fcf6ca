import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ppcls import environment
from ppcls.errors import UserError

REPO = Path(__file__).resolve().parents[2]
NAMES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "GLOG_minloglevel", "PYTHONWARNINGS", "PADDLE_LOCAL_SIZE")


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "mkl", lambda: None)  # the threads of this process stay
    for name in NAMES:
        monkeypatch.setenv(name, "")  # so that it is put back afterwards
        monkeypatch.delenv(name)


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("ranks", [1, 2, 64])
def test_the_physical_cores_are_shared_among_the_ranks(ranks: int) -> None:
    environment.prepare(ranks)
    assert os.environ["MKL_NUM_THREADS"] == str(max(1, environment.physical_cores() // ranks))
    assert "OMP_NUM_THREADS" not in os.environ


@pytest.mark.filterwarnings("default")
def test_the_launcher_says_how_many_ranks_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PADDLE_LOCAL_SIZE", "1000")
    environment.prepare()
    assert os.environ["MKL_NUM_THREADS"] == "1"


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "MKL_NUM_THREADS"])
def test_what_the_user_has_set_is_left_alone(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "77")
    monkeypatch.setenv("GLOG_minloglevel", "0")
    environment.prepare()
    assert (os.environ[name], os.environ["GLOG_minloglevel"]) == ("77", "0")
    assert ("MKL_NUM_THREADS" in os.environ) == (name == "MKL_NUM_THREADS")


@pytest.mark.parametrize("given, threads", [({}, environment.physical_cores()), ({"OMP_NUM_THREADS": "1"}, 1)])
@pytest.mark.parametrize("first", ["", "x = paddle.ones([64, 64]); x @ x"])
def test_paddle_may_be_imported_before(given: dict[str, str], threads: int, first: str) -> None:
    done = run(
        f"import paddle; {first}\nimport ppcls; ppcls.create_model('ResNet18')\nfrom ppcls import environment as here\n"
        "print(here.num_threads(), here.mkl().MKL_Get_Max_Threads() if here.mkl() else here.num_threads())",
        **given,
    )
    assert done.stdout == f"{threads} {threads}\n", done.stderr


@pytest.mark.parametrize("given, threads", [({}, environment.physical_cores()), ({"OMP_NUM_THREADS": "1"}, 1)])
def test_a_rank_has_its_cores_though_the_launcher_imported_paddle(
    tmp_path: Path, given: dict[str, str], threads: int
) -> None:
    script = tmp_path / "rank.py"
    script.write_text("from ppcls import environment as here\nhere.prepare(); print('threads', here.num_threads())")
    words = ["-m", "paddle.distributed.launch", "--nproc_per_node=1", f"--log_dir={tmp_path}", str(script)]
    environ = {**os.environ, **given, "PYTHONPATH": str(REPO)}
    done = subprocess.run([sys.executable, *words], cwd=tmp_path, env=environ, capture_output=True, text=True)
    assert f"threads {threads}\n" in done.stdout + done.stderr


def test_there_is_at_least_one_core_and_no_more_than_logical_ones() -> None:
    assert 1 <= environment.physical_cores() <= len(os.sched_getaffinity(0))


def run(code: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run code in a fresh interpreter."""
    environ = {**os.environ, **variables}
    return subprocess.run([sys.executable, "-c", code], cwd=REPO, env=environ, capture_output=True, text=True)


IMPORT_PADDLE = "from ppcls import environment; environment.prepare(); import paddle; print(paddle.get_device())"


def test_paddle_is_imported_without_a_word() -> None:
    done = run(IMPORT_PADDLE)
    assert (done.stdout, done.stderr) == ("cpu\n", "")


def test_a_home_that_cannot_be_written_is_replaced_for_paddle_and_said_in_one_line(tmp_path: Path) -> None:
    code = IMPORT_PADDLE + "; print(environment.cache('weights'))"
    done = run(code, HOME="/proc", TMPDIR=str(tmp_path))  # even root can't write there
    assert (done.returncode, done.stdout) == (0, "cpu\n/proc/.cache/ppcls/weights\n")
    line = f"HOME: '/proc' can't be written, as Paddle must; it is {tmp_path}/ppcls-home-.* for this run\n"
    assert re.fullmatch(line, done.stderr)
    assert not list(tmp_path.iterdir())


def test_without_any_folder_to_write_in_the_way_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/proc")
    monkeypatch.setattr("tempfile.tempdir", "/proc/nowhere")
    with pytest.raises(
        UserError, match="^HOME: '/proc' can't be written, .*; set HOME or TMPDIR to a folder that can$"
    ):
        environment.prepare()


def dnnl() -> Path:
    paddle = importlib.util.find_spec("paddle")
    assert paddle is not None and paddle.origin is not None
    return Path(paddle.origin).parent / "libs/libdnnl.so.3"


# Source: dnnl_types.h, dnnl_cpu_isa_t.
ISA = {0x1: "SSE41", 0x3: "AVX", 0x7: "AVX2", 0xF: "AVX2_VNNI", 0x1F: "AVX2_VNNI_2", 0x27: "AVX512_CORE",
       0x67: "AVX512_CORE_VNNI", 0xE7: "AVX512_CORE_BF16", 0x1EF: "AVX512_CORE_FP16", 0xFEF: "AVX512_CORE_AMX",
       0x1FEF: "AVX512_CORE_AMX_FP16"}  # fmt: skip


@pytest.mark.skipif(not dnnl().exists(), reason="this Paddle has no oneDNN")
@pytest.mark.parametrize("limit", ["", "AVX", "avx2", "AVX2_VNNI_2", "AVX512_CORE", "AVX512_CORE_AMX", "no such set"])
def test_the_instruction_set_is_the_one_that_onednn_takes(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    code = f"import ctypes; print(ctypes.CDLL({str(dnnl())!r}).dnnl_get_effective_cpu_isa())"
    done = run(code, LD_LIBRARY_PATH=str(dnnl().parent))
    assert environment.instruction_set() == ISA[int(done.stdout)], done.stderr


def test_why_there_is_no_bfloat16_is_said_with_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "cpu_flags", lambda: frozenset({"sse4_1", "avx", "avx2", "avx512f"}))
    message = "bfloat16 needs AVX512_CORE_BF16; the best that oneDNN has on this CPU is "
    assert environment.bfloat16_obstacle() == message + "AVX2"
    monkeypatch.setattr(environment, "cpu_flags", frozenset)
    assert environment.bfloat16_obstacle() == message + "unknown"


# As on macOS and Windows.
WITHOUT_LINUX = """
import ctypes, os, signal, sys
del os.sched_getaffinity, os.memfd_create, signal.SIGPIPE
sys.modules["fcntl"] = sys.modules["resource"] = None
class CDLL(ctypes.CDLL):
    def __init__(self, name, *arguments, **keywords):
        if name is None:
            raise TypeError("bad argument type for built-in operation")
        super().__init__(name, *arguments, **keywords)
ctypes.CDLL = CDLL
"""


def test_models_are_built_and_predict_without_what_only_linux_has(
    exported: Path, photos: list[bytes], tmp_path: Path
) -> None:
    (tmp_path / "photo.jpg").write_bytes(photos[0])
    code = f"""
import ppcls
from ppcls.cli import main
ppcls.create_model("ResNet18", class_num=2)
prediction, = ppcls.Predictor({str(exported)!r}).predict({str(tmp_path / "photo.jpg")!r})
print(prediction.class_ids[0])
assert main(["predict", {str(tmp_path / "photo.jpg")!r}, "--model", {str(exported)!r}]) == 0
import ppcls.engine.engine, ppcls.ops.compiled
main(["--help"])
"""
    done = run(WITHOUT_LINUX + code)
    assert (done.returncode, done.stderr) == (0, "")
    best, line, *_ = done.stdout.splitlines()
    assert line.startswith(f"photo.jpg:\tclass id(s): [{best},")
    assert "usage: ppcls" in done.stdout


def test_a_model_is_created_in_a_prepared_environment() -> None:
    code = "import os, ppcls; ppcls.create_model('ResNet18'); print(os.environ['GLOG_minloglevel'])"
    done = run(code)
    assert (done.stdout, done.stderr) == ("2\n", "")
