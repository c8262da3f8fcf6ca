"""Runs that end after so many updates, or in time."""

import json
import time
from itertools import count

import pytest
from runs import MakeEngine, records, trained

from ppcls.engine.clock import Timing
from ppcls.errors import ConfigError
from ppcls.report.replay import replay

TIMED = ("Optimizer.lr={name: Trapezoid, learning_rate: 0.02}", "Global.epochs=1000", "Global.save_interval=-1")


@pytest.fixture
def steady_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a millisecond pass each time that somebody asks for the time: a machine that is never busy elsewhere."""
    moments = count()
    monkeypatch.setattr(time, "monotonic", lambda: next(moments) / 1000)


def test_a_run_ends_within_an_epoch_and_evaluates_there(make: MakeEngine) -> None:
    whole = trained(make("Tiny", "whole", "Global.max_steps=6", "Global.print_batch_step=1"))
    assert (whole.state.step, whole.state.epoch) == (6, 2)
    assert [record["step"] for record in records(whole, "eval")] == [4, 6]
    killed = trained(make("Tiny", "killed", "Global.max_steps=5", "Global.print_batch_step=1"))
    assert killed.state.step == 5
    assert trained(make("Tiny", "whole", "Global.max_steps=6", "Global.checkpoints=auto")).state.step == 6


def test_what_is_left_follows_from_the_updates_that_end_a_run(make: MakeEngine) -> None:
    engine = make("Tiny", "run", "Global.max_steps=6", "Global.epochs=1000")
    assert (engine.batches_per_epoch, engine.batches_left) == (4, 6)
    assert make("Tiny", "run", "Global.max_steps=3", "Global.update_freq=3").batches_left == 4 + 3
    assert make("Tiny", "run", "Global.max_steps=6", "Global.epochs=1").batches_left == 4


@pytest.mark.usefixtures("steady_time")
def test_a_timed_run_ends_in_time_and_its_numbers_repeat_it(make: MakeEngine) -> None:
    timed = make("Tiny", "timed", *TIMED, "Global.minutes=0.05")
    timed.timing = Timing(started=time.monotonic())
    trained(timed)
    assert time.monotonic() - timed.timing.started == pytest.approx(3, abs=0.1)
    rates = [record["lr"] for record in records(timed, "train")]
    assert rates[0] == 0.02 and rates[-1] < 0.005
    first_line = json.loads((timed.folder / "metrics.jsonl").read_text().splitlines()[0])
    assert first_line["eta_seconds"] <= 3  # what there is, not the time of 1000 epochs
    assert replay(timed.folder) == []


@pytest.mark.usefixtures("steady_time")
def test_the_time_before_a_kill_counts(make: MakeEngine) -> None:
    stopped = trained(make("Tiny", "run", *TIMED, "Global.max_steps=30"))
    (stopped.folder / "clock.json").write_text(json.dumps({"seconds": 58.0}))
    resumed = make("Tiny", "run", *TIMED, "Global.minutes=1", "Global.checkpoints=auto")
    resumed.timing = Timing(started=time.monotonic())
    trained(resumed)
    assert resumed.state.step > 30
    assert time.monotonic() - resumed.timing.started == pytest.approx(2, abs=0.1)


def test_a_time_that_is_too_short_is_refused(make: MakeEngine) -> None:
    with pytest.raises(ConfigError, match="too short to train anything here"):
        make("Tiny", "run", *TIMED, "Global.minutes=0.0001").train()
    with pytest.raises(ConfigError, match="needs the schedule Trapezoid"):
        make("Tiny", "other", "Global.minutes=1").train()
