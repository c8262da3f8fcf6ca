"""Stopping a run at any moment, and resuming as if nothing had happened."""

import logging
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from runs import MakeEngine, numbers, records_in, same_arrays, trained

from ppcls import pdparams
from ppcls.engine import checkpoints, log, resume
from ppcls.engine.engine import Engine
from ppcls.engine.resume import Pace
from ppcls.errors import TerminatedError

REPO = Path(__file__).resolve().parents[3]
# Of the many kills that a change of the checkpoints should be tried with, so many are in each run of the tests.
NUM_KILLS = int(os.environ.get("PPCLS_TEST_KILLS", "6"))
OPTIONS = ("Arch.dropout=0.5", "Global.update_freq=2", "Global.print_batch_step=1", "Global.epochs=2")
SMALL = "DataLoader.Train.sampler.batch_size=3"  # 9 batches per epoch, 5 updates


def stop_after(engine: Engine, batches: int, of: str = "training") -> None:
    """Let SIGTERM come while the engine counts batch number `batches`, from 1, of the training or an evaluation."""
    tally, calls = engine.tally if of == "training" else engine.evaluators[0].tally, iter(range(1, 1000))
    add = tally.add

    def count(*arguments: Any) -> None:
        if next(calls) == batches:
            os.kill(os.getpid(), signal.SIGTERM)
        add(*arguments)

    tally.add = count  # type: ignore[method-assign]


def averages_of(engine: Engine) -> list[str]:
    """Return loss and metrics of each epoch, as the log has them."""
    return re.findall(r"\[Train\].*\[Avg\](.*), ips", (engine.folder / "train.log").read_text())


def messages(caplog: pytest.LogCaptureFixture, start: str) -> list[str]:
    return [message for message in caplog.messages if message.startswith(start)]


def test_runs_that_are_killed_end_like_one_that_is_not(shapes_yaml: str, tmp_path: Path) -> None:
    script = Path(__file__).with_name("killed_runs.py")
    done = subprocess.run(
        [sys.executable, str(script), shapes_yaml, str(tmp_path), str(NUM_KILLS)],
        env={**os.environ, "PYTHONPATH": str(REPO)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{NUM_KILLS} kills in ")


@pytest.mark.parametrize(
    ("of", "batch", "epoch", "done", "step"),
    [
        ("training", 1, 0, 2, 1),  # of a group of two
        ("training", 4, 0, 4, 2),
        ("training", 9, 0, 9, 5),
        ("training", 12, 1, 4, 7),
        ("evaluation", 1, 0, 9, 5),
        ("evaluation", 8, 1, 9, 10),  # the last one
    ],
)
def test_sigterm_saves_at_once_and_the_run_goes_on_as_if_it_had_not_come(
    make: MakeEngine, of: str, batch: int, epoch: int, done: int, step: int
) -> None:
    whole = trained(make("Tiny", "whole", *OPTIONS, SMALL))
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    log.close_log(logging.getLogger("ppcls"))  # or its file would get the lines of the next run as well
    stopped = make("Tiny", "stopped", *OPTIONS, SMALL, "Global.checkpoints=auto")
    stop_after(stopped, batch, of)
    with pytest.raises(TerminatedError) as caught:
        stopped.train()
    os.kill(os.getpid(), signal.SIGTERM)  # once more: it must end by its own status all the same
    log.close_log(logging.getLogger("ppcls"))
    assert f"stops after {epoch} epochs and {done} batches (step {step})" in str(caught.value)
    assert caught.value.exit_status == 75
    states = checkpoints.read(stopped.folder / "latest").states
    assert (states["epoch"], states["batches_done"], states["step"]) == (epoch, done, step)
    resumed = trained(make("Tiny", "stopped", *OPTIONS, SMALL, "Global.checkpoints=auto"))
    for name in ("latest", "best_model"):
        left, right = (checkpoints.read(engine.folder / name) for engine in (whole, resumed))
        assert same_arrays(left.weights, right.weights)
        assert same_arrays(left.optimizer, right.optimizer)
        assert numbers(left) == numbers(right)
    assert records_in(whole.folder) == records_in(resumed.folder)
    assert averages_of(whole) == averages_of(resumed)


@pytest.mark.parametrize("often", ["Global.save_steps=2", "Global.save_minutes=0"])
def test_a_run_saves_within_an_epoch_as_often_as_wanted(
    make: MakeEngine, monkeypatch: pytest.MonkeyPatch, often: str
) -> None:
    engine, steps = make("Tiny", "run", *OPTIONS, SMALL, often), []
    save = engine.checkpoints.save_latest

    def noted(saved: checkpoints.Checkpoint) -> None:
        steps.append(saved.states["step"])
        save(saved)

    monkeypatch.setattr(engine.checkpoints, "save_latest", noted)
    engine.train()
    # Not after steps 5 and 10, which end an epoch.
    assert steps == ([2, 4, 6, 8] if "steps" in often else [1, 2, 3, 4, 6, 7, 8, 9])


def test_auto_begins_anew_where_there_is_nothing(make: MakeEngine, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="ppcls")
    engine = trained(make("Tiny", "run", "Global.epochs=1", "Global.checkpoints=auto"))
    assert f"Global.checkpoints: auto: no checkpoint in '{engine.folder}'; starting a new run" in caplog.messages
    assert engine.state.step == 4


def test_auto_passes_over_a_truncated_latest_and_a_damaged_epoch(
    make: MakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="ppcls")
    options = ["Global.save_interval=1", "Global.checkpoints=auto", "Global.epochs=4", "Global.start_eval_epoch=4"]
    engine = trained(make("Tiny", "run", *options, "Global.early_stop=3"))
    for name in ("latest.pdopt", "epoch_3.pdparams"):
        content = (engine.folder / name).read_bytes()
        (engine.folder / name).unlink()  # a file of its own: `latest` and `epoch_3` are two names of one
        (engine.folder / name).write_bytes(content[:-9])
    caplog.clear()
    resumed = make("Tiny", "run", *options)
    resumed.prepare()
    assert (resumed.state.epoch, resumed.resume_from) == (2, engine.folder / "epoch_2")
    assert messages(caplog, "skipped") == [
        f"skipped: checkpoint '{engine.folder}/latest': latest.pdopt is damaged (its checksum does not fit)",
        f"skipped: checkpoint '{engine.folder}/epoch_3': epoch_3.pdparams is damaged (its checksum does not fit)",
    ]


def test_auto_does_not_take_a_later_epoch_of_an_earlier_run(make: MakeEngine) -> None:
    trained(make("Tiny", "run", "Global.save_interval=1", "Global.epochs=3"))
    trained(
        make("Tiny", "run", "Global.save_interval=1", "Global.epochs=3", "Global.early_stop=1", "Global.overwrite=True")
    )
    resumed = make("Tiny", "run", "Global.epochs=3", "Global.checkpoints=auto")
    resumed.prepare()
    assert resumed.state.epoch == 1


def test_other_settings_are_named(make: MakeEngine, caplog: pytest.LogCaptureFixture) -> None:
    engine = trained(make("Tiny", "run", "Global.epochs=1"))
    going_on = ["Global.epochs=1", f"Global.checkpoints={engine.folder}/latest", "Global.output_dir=elsewhere"]
    make("Tiny", "run", *going_on, "DataLoader.Train.loader.num_workers=2").prepare()
    assert not messages(caplog, "the config differs")
    make("Tiny", "run", *going_on, "Optimizer.lr.learning_rate=0.5", "Metric.Train=[]").prepare()
    assert messages(caplog, "the config differs") == [
        "the config differs from the one of the checkpoint: Optimizer.lr.learning_rate: 0.02 -> 0.5; "
        "Metric.Train: [{'TopkAcc': {'topk': [1]}}] -> []"
    ]


def test_keys_that_came_since_are_no_other_settings(make: MakeEngine, caplog: pytest.LogCaptureFixture) -> None:
    engine = trained(make("Tiny", "run", "Global.epochs=1"))
    states = engine.folder / "latest.pdstates"
    content = pdparams.read(states)
    earlier, count = re.subn("(  freeze_norms|  use_ssld|EMA): .*\n", "", content["config"])
    assert count == 3
    pdparams.write(states, {**content, "config": earlier})
    make("Tiny", "run", "Global.epochs=1", f"Global.checkpoints={engine.folder}/latest").prepare()
    assert not messages(caplog, "the config differs")


def test_a_run_goes_on_with_other_batches_from_the_same_sample(
    make: MakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    engine = make("Tiny", "run", *OPTIONS, SMALL)
    stop_after(engine, 12)  # in the second epoch, and so after 4 batches of 3 there
    with pytest.raises(TerminatedError):
        engine.train()
    bigger = make("Tiny", "run", *OPTIONS, "Global.checkpoints=auto", "DataLoader.Train.sampler.batch_size=5")
    bigger.prepare()
    assert (bigger.state.epoch, bigger.state.batches_done, bigger.state.step) == (1, 2, 4)
    assert messages(caplog, "the checkpoint has another pace") == [
        "the checkpoint has another pace: global_batch 3 -> 5, batches_per_epoch 9 -> 6, steps_per_epoch 5 -> 3; "
        "step 7 -> 4; 2 samples come again"
    ]
    bigger.train()
    assert (bigger.state.epoch, bigger.state.step) == (2, 6)


def test_the_sums_of_two_ranks_go_on_in_one(make: MakeEngine, caplog: pytest.LogCaptureFixture) -> None:
    engine = make("Tiny", "run", *OPTIONS, SMALL)
    stop_after(engine, 4)
    with pytest.raises(TerminatedError):
        engine.train()
    saved = checkpoints.read(engine.folder / "latest")
    ((sums,), (counts,)) = saved.states["averages"]["ranks"]
    halves = [[{name: value / 2 for name, value in state.items()}] * 2 for state in (sums, counts)]
    of_two = Pace(2, global_batch=6, update_freq=2, batches_per_epoch=5, steps_per_epoch=3)
    states = {**saved.states, "averages": {**saved.states["averages"], "ranks": halves}, "batches_done": 2}
    two = checkpoints.Checkpoint(saved.weights, saved.optimizer, {**states, "step": 1, "pace": vars(of_two)})
    checkpoints.write(engine.folder / "latest", two)
    resumed = make("Tiny", "run", *OPTIONS, SMALL, "Global.checkpoints=auto")
    resumed.prepare()
    assert (resumed.state.batches_done, resumed.state.step) == (4, 2)
    assert "world_size 2 -> 1, global_batch 6 -> 3" in messages(caplog, "the checkpoint has another pace")[0]
    assert resumed.start_progress().tally.num_samples == 12
    assert resumed.tally.read() == engine.tally.read()


def test_values_that_differ_are_found_at_any_depth() -> None:
    before = {"Global": {"seed": 0, "keep": 3}, "Arch": {"name": "A"}, "Loss": [{"CELoss": {"epsilon": 0.1}}]}
    now = {"Global": {"seed": 1, "keep": 4}, "Arch": {"name": "A", "depth": 2}, "Loss": [{"CELoss": {"epsilon": 0.2}}]}
    assert resume.differences(before, now) == [
        "Global.seed: 0 -> 1",
        "Arch.depth: None -> 2",
        "Loss.0.CELoss.epsilon: 0.1 -> 0.2",
    ]
