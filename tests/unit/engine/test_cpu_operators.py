"""When a run computes with oneDNN's operators, and what it says when it does not."""

import logging
import re
from pathlib import Path
from typing import Any

import pytest

from ppcls import create_model, environment
from ppcls.config.schema import AMPSection, ArchPart, GlobalSection, RunConfig
from ppcls.engine import operators
from ppcls.engine.precision import Precision
from ppcls.errors import DeviceError
from ppcls.models.layers import STOCK
from ppcls.ops import compiled
from ppcls.ops.operators import OneDNN

LONG = 1e7


def config(*, amp: bool = False, **settings: Any) -> RunConfig:
    section = GlobalSection(**{"image_shape": (3, 32, 32), **settings})
    return RunConfig(Global=section, AMP=AMPSection(use_amp=amp), Arch=ArchPart("ResNet18"), Optimizer=None)


def chosen(run: RunConfig, *, passes: float = LONG, device: str = "cpu", bfloat16: bool = False) -> Any:
    model = create_model("ResNet18", class_num=2)
    operators._say.cache_clear()
    operators.choose(run, model, device=device, bfloat16=bfloat16, passes=passes)
    assert model.training
    return model.operators


@pytest.fixture
def can_compile() -> None:
    obstacle = compiled.obstacle()
    if obstacle:
        pytest.skip(obstacle)


@pytest.mark.usefixtures("can_compile")
def test_a_long_run_on_the_cpu_takes_onednn() -> None:
    assert isinstance(chosen(config()), OneDNN)
    assert isinstance(chosen(config(cpu_ops="onednn"), passes=1), OneDNN)


def test_stock_means_stock_and_an_accelerator_has_its_own() -> None:
    assert chosen(config(cpu_ops="stock")) is STOCK
    assert chosen(config(), device="gpu:0") is STOCK


def test_a_short_run_stays_with_paddle_and_says_what_it_would_save(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MKL_NUM_THREADS", "2")  # what there is to save depends on it
    caplog.set_level(logging.INFO, "ppcls")
    assert chosen(config(), passes=3 * 1437) is STOCK
    assert "compiling them once takes 20 s, and they would save about" in caplog.text
    assert "-o Global.cpu_ops=onednn" in caplog.text


def test_what_is_missing_is_said_in_one_line_or_refused_where_onednn_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    caplog.set_level(logging.INFO, "ppcls")
    assert chosen(config()) is STOCK
    assert len(caplog.messages) == 1
    assert "3.4 times as fast: Global.cpu_ops: no C++ compiler; looked for no-such-compiler" in caplog.messages[0]
    with pytest.raises(DeviceError, match="no C\\+\\+ compiler"):
        chosen(config(cpu_ops="onednn"))


VERSION = '#!/bin/sh\n[ "$1" = --version ] && exit\n'


@pytest.mark.usefixtures("can_compile")
@pytest.mark.parametrize(
    ("compiler", "home", "reason"),
    [
        (
            VERSION + "echo 'g++: error: no -std=c++17' >&2; exit 1",
            "",
            "the compiler failed: g..: error: no -std=c..17",
        ),
        (VERSION + "kill -9 $$", "", "the compiler failed: .*/g.. ended with status -9"),
        ("no program", "", "can't run the compiler '.*/g..'; Exec format error"),
        ("", "/proc/ppcls", "can't write '/proc/ppcls/ops/.*'; No such file or directory; set PPCLS_HOME to a folder"),
    ],
    ids=["too old", "killed", "no program", "no folder"],
)
def test_what_cannot_be_compiled_ends_only_a_run_that_asks_for_it(
    compiler: str, home: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setattr(compiled, "load", compiled.load.__wrapped__)  # else it is loaded already
    monkeypatch.setenv("PPCLS_HOME", home or str(tmp_path))
    if compiler:
        (tmp_path / "g++").write_text(compiler)
        (tmp_path / "g++").chmod(0o755)
        monkeypatch.setenv("CXX", str(tmp_path / "g++"))
    caplog.set_level(logging.INFO, "ppcls")
    assert chosen(config()) is STOCK
    assert re.search(f"Paddle's own operators, .*: Global.cpu_ops: {reason}", caplog.messages[-1])
    assert "\n" not in caplog.messages[-1]
    with pytest.raises(DeviceError, match=reason.replace("failed: ", "failed:\n")):
        chosen(config(cpu_ops="onednn"))


def test_a_cpu_without_avx2_keeps_paddles_operators(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX")
    caplog.set_level(logging.INFO, "ppcls")
    assert chosen(config()) is STOCK
    reason = "Global.cpu_ops: onednn needs AVX2; the best that oneDNN has on this CPU is AVX; set it to stock"
    assert caplog.messages[-1].endswith(reason)
    with pytest.raises(DeviceError, match=reason):
        chosen(config(cpu_ops="onednn"))


def test_a_static_graph_is_refused_where_onednn_is_asked_for() -> None:
    with pytest.raises(DeviceError, match="received Global.to_static: True; set it to False"):
        chosen(config(cpu_ops="onednn", to_static=True))


@pytest.mark.usefixtures("can_compile")
@pytest.mark.parametrize("has", [True, False])
def test_mixed_precision_is_real_where_the_cpu_has_bfloat16_and_said_to_be_without_effect_elsewhere(
    has: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "bfloat16_obstacle", lambda: "" if has else "this CPU lacks it")
    model, amp = create_model("ResNet18", class_num=2), config(amp=True)
    operators.choose(amp, model, device="cpu", bfloat16=True, passes=LONG)
    assert (model.operators.bfloat16, model.operators.bfloat16_evaluation) == (has, False)
    precision = Precision(amp.AMP, "cpu")
    precision.prepare(model, None)
    expected = "bfloat16 by oneDNN" if has else "float32 by oneDNN (AMP has no effect: this CPU lacks it)"
    assert precision.numbers(training=True) == str(precision) == expected
    assert precision.numbers(training=False) == "float32 by oneDNN"  # as it is without use_fp16_test
