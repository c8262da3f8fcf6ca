import os
import subprocess
import sys
from pathlib import Path

import pytest

from ppcls import environment

NAMES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "GLOG_minloglevel", "PYTHONWARNINGS", "PADDLE_LOCAL_SIZE")


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_there_is_at_least_one_core_and_no_more_than_logical_ones() -> None:
    assert 1 <= environment.physical_cores() <= len(os.sched_getaffinity(0))


def test_paddle_is_imported_without_a_word() -> None:
    code = "from ppcls import environment; environment.prepare(); import paddle; print(paddle.get_device())"
    repo = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=repo, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("cpu\n", "")
