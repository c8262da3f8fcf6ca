"""Global.loggers: the numbers of metrics.jsonl in a table and in other programs."""

import csv
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from runs import MakeEngine

from ppcls.engine import trackers
from ppcls.engine.engine import Engine
from ppcls.errors import ConfigError

RECORDS = [("train", 3, {"epoch": 1, "batch": 4, "loss": 1.5}), ("eval", 4, {"epoch": 1, "loss": 1.25, "top1": 0.5})]


def lines(engine: Engine) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (engine.folder / "metrics.jsonl").read_text().splitlines()]


def test_the_table_has_the_rows_of_metrics_jsonl_after_a_resume_too(make: MakeEngine) -> None:
    options = ("Global.loggers=[Csv]", "Global.epochs=2", "Global.print_batch_step=2")
    make("Tiny", "run", *options, "Global.early_stop=1").train()
    engine = make("Tiny", "run", *options, "Global.checkpoints=auto")
    engine.train()
    with (engine.folder / "metrics.csv").open(newline="") as file:
        rows = [{key: value for key, value in row.items() if value} for row in csv.DictReader(file)]
    assert rows == [{key: str(value) for key, value in line.items()} for line in lines(engine)]
    assert {row["phase"] for row in rows} == {"train", "eval"} and rows[-1]["epoch"] == "2"


@pytest.mark.parametrize("name", ["TensorBoard", "WandB", "MLflow"])
def test_a_missing_package_is_refused_before_anything_is_written(
    make: MakeEngine, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setitem(trackers.MODULES, name, "no_such_package")
    engine = make("Tiny", "run", f"Global.loggers=[{name}]")
    extra = rf"pip install 'ppcls\[{name.lower()}\]'"
    with pytest.raises(ConfigError, match=f"Global.loggers: {name}: .* no_such_package is not installed; {extra}"):
        engine.train()
    assert not engine.folder.exists()


def test_nothing_is_imported_that_is_not_asked_for(make: MakeEngine) -> None:
    before = set(sys.modules)
    make("Tiny", "run", "Global.epochs=1", "Global.loggers=[Csv]").train()
    assert not {"visualdl", *trackers.MODULES.values()} & (set(sys.modules) - before)


def test_tensorboard_shows_the_numbers(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX", reason="the extra `tensorboard` is not installed")
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    tracker = trackers.TensorBoard(tmp_path)
    for record in RECORDS:
        tracker.add(*record)
    tracker.close()
    events = accumulators.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    found = {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    assert found["train/loss"] == [(3, 1.5)] and found["eval/top1"] == [(4, 0.5)]


def test_wandb_continues_a_resumed_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="the extra `wandb` is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    ids = []
    for record in RECORDS:
        tracker = trackers.WandB(tmp_path)
        tracker.add(*record)
        assert tracker.run.summary[f"{record[0]}/loss"] == record[2]["loss"]
        tracker.close()
        ids.append(tracker.run.id)
    assert ids == [(tmp_path / "wandb.id").read_text()] * 2
    trackers.forget_runs(tmp_path)
    assert not (tmp_path / "wandb.id").exists()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # MLflow's own
def test_mlflow_continues_a_resumed_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow", reason="the extra `mlflow` is not installed")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    for record in RECORDS:
        tracker = trackers.MLflow(tmp_path)
        tracker.add(*record)
        tracker.close()
    (run,) = mlflow.MlflowClient().search_runs(["0"])
    assert run.info.run_id == (tmp_path / "mlflow.id").read_text() and run.info.status == "FINISHED"
    assert (run.data.metrics["train/loss"], run.data.metrics["eval/top1"]) == (1.5, 0.5)
    assert [point.step for point in mlflow.MlflowClient().get_metric_history(run.info.run_id, "eval/loss")] == [4]
