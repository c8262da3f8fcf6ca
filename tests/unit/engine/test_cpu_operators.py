"""When a run computes with oneDNN's operators, and what it says when it does not."""

import logging
from typing import Any

import pytest

from ppcls import create_model
from ppcls.config.schema import AMPSection, ArchPart, GlobalSection, RunConfig
from ppcls.engine import operators
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
    assert chosen(config(), passes=3 * 6 * 1437) is STOCK
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


def test_a_static_graph_is_refused_where_onednn_is_asked_for() -> None:
    with pytest.raises(DeviceError, match="received Global.to_static: True; set it to False"):
        chosen(config(cpu_ops="onednn", to_static=True))


@pytest.mark.usefixtures("can_compile")
@pytest.mark.parametrize("has", [True, False])
def test_mixed_precision_is_real_where_the_cpu_has_bfloat16(
    has: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "ppcls")
    monkeypatch.setattr(compiled, "cpu_has", lambda flag: has)
    found = chosen(config(amp=True), bfloat16=True)
    assert (found.bfloat16, found.bfloat16_evaluation) == (has, False)
    assert str(found) == ("bfloat16" if has else "float32") + " by oneDNN"
    assert ("this CPU has no bfloat16 arithmetic" in caplog.text) != has
