import json
import logging
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
from runs import TIMES, MakeEngine, records, trained

from ppcls import device
from ppcls.batch import Batch
from ppcls.config import load_config
from ppcls.engine.check import report
from ppcls.engine.clock import Clock
from ppcls.engine.progress import Progress
from ppcls.engine.scalars import ScalarsOf
from ppcls.engine.tally import Tally
from ppcls.errors import CheckpointError, ConfigError, DeviceError

EPOCH = [
    r"\[Train\]\[Epoch 2/2\]\[Iter: 1/4\]loss: \d+\.\d{5}, top1: [01]\.\d{5}, "
    r"lr: \d\.\d{8}, grad_norm: \d\.\d+, ips: \d+\.\d images/s, batch: \d+\.\d{3} s, waiting for data: \d+%, "
    r"eta: 0:00:\d\d",
    r"\[Train\]\[Epoch 2/2\]\[Iter: 2/4\]loss: .*",
    r"\[Train\]\[Epoch 2/2\]\[Iter: 4/4\]loss: .*, eta: 0:00:00",
    r"\[Train\]\[Epoch 2/2\]\[Avg\]loss: \d+\.\d{5}, top1: [01]\.\d{5}, ips: \d+\.\d images/s",
    r"\[Eval\]\[Epoch 2\]\[Avg\]loss: \d+\.\d{5}, top1: [01]\.\d{5}, top2: [01]\.\d{5}",
    r"\[Eval\]\[Epoch 2\]\[best metric: [01]\.\d{5}\]",
]


def test_the_folder_of_a_run(make: MakeEngine) -> None:
    engine = make("Tiny", "run", "Global.epochs=2", "Global.print_batch_step=2", "Global.save_interval=2")
    engine.train()
    names = [file.name for file in sorted(engine.folder.iterdir())]
    prefixes = ("best_model", "epoch_2", "latest")
    checkpoints = [f"{prefix}{suffix}" for prefix in prefixes for suffix in (".pdopt", ".pdparams", ".pdstates")]
    assert names == sorted([*checkpoints, "config.yaml", "metrics.jsonl", "run.json", "train.log"])
    lines = (engine.folder / "train.log").read_text().splitlines()
    assert re.fullmatch(
        r"\[\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\] ppcls INFO: Tiny, 3 classes, on cpu, float32; 26 imag.*", lines[0]
    )
    assert len(lines) == 2 + 2 * len(EPOCH)  # the first one and the forecast
    for line, pattern in zip(lines[-len(EPOCH) :], EPOCH):
        assert re.fullmatch(r"\[.*\] ppcls INFO: " + pattern, line)
    assert load_config(str(engine.folder / "config.yaml")) == engine.config


def test_the_records_of_a_run(make: MakeEngine) -> None:
    engine = make("Tiny", "run", "Global.epochs=1", "Global.print_batch_step=2")
    engine.train()
    train, evaluation = records(engine, "train"), records(engine, "eval")
    assert [list(record) for record in train] == [
        ["phase", "step", "epoch", "batch", "loss", "top1", "lr", "grad_norm"]
    ] * 3
    assert [(record["step"], record["epoch"], record["batch"]) for record in train] == [(1, 1, 1), (2, 1, 2), (4, 1, 4)]
    assert [list(record) for record in evaluation] == [["phase", "step", "epoch", "loss", "top1", "top2"]]
    timed = [json.loads(line) for line in (engine.folder / "metrics.jsonl").read_text().splitlines()][:3]
    assert all(list(record)[-4:] == list(TIMES) for record in timed)
    assert all(record["ips"] > 0 and record["batch_seconds"] > 0 and 0 < record["data_wait"] < 1 for record in timed)
    assert timed[-1]["eta_seconds"] == 0


DAMAGED = (
    b"{half",
    b"\xff\xfe",
    b"[1]",
    b'{"epoch": "1"}',
    b'{"epoch": 1, "batch": 0.5}',
    b"",
    5000 * b"[",
    b'{"step": 1}',
)


def test_damaged_lines_of_the_records_are_set_aside_and_the_run_goes_on(
    make: MakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    engine = make("Tiny", "run", "Global.epochs=2", "Global.early_stop=1")
    engine.train()
    file = engine.folder / "metrics.jsonl"
    before = file.read_bytes()
    first, rest = before.split(b"\n", 1)
    file.write_bytes(b"\n".join([first, *DAMAGED, rest]) + b'{"phase": "tr')  # and the half line of a killed run
    resumed = make("Tiny", "run", "Global.epochs=2", "Global.checkpoints=auto")
    resumed.train()
    assert file.read_bytes().startswith(before)
    assert [record["epoch"] for record in records(resumed, "eval")] == [1, 2]
    assert (engine.folder / "metrics.jsonl.damaged").read_bytes() == b"".join(line + b"\n" for line in DAMAGED)
    assert f"{file}: {len(DAMAGED)} damaged line(s), moved to metrics.jsonl.damaged" in caplog.messages


def test_visualdl_shows_the_same_numbers(make: MakeEngine) -> None:
    from visualdl import LogReader

    engine = make("Tiny", "run", "Global.epochs=2", "Global.use_visualdl=True", "Global.print_batch_step=1")
    engine.train()
    (file,) = (engine.folder / "vdl").glob("vdlrecords.*.log")
    reader = LogReader(file_path=str(file))
    tags = {tag.rpartition("/")[2].replace("%", "/") for tag, kind in reader.tags().items() if kind == "scalar"}
    assert {"train/loss", "train/lr", "train/grad_norm", "train/top1", "eval/loss", "eval/top1", "eval/top2"} <= tags
    for phase in ("train", "eval"):
        found = [(point.id, point.value) for point in reader.get_data("scalar", f"{phase}/loss")]
        expected = [(record["step"], record["loss"]) for record in records(engine, phase)]
        assert [step for step, _ in found] == [step for step, _ in expected]
        np.testing.assert_allclose([loss for _, loss in found], [loss for _, loss in expected], rtol=1e-6)


def test_paddlex_finds_the_checkpoints_of_a_run(make: MakeEngine) -> None:
    options = ["Global.uniform_output_enabled=True", "Global.pdx_model_name=Tiny-X", "Global.save_interval=1"]
    engine = make("Tiny", "run", "Global.epochs=3", *options)
    engine.train()
    root = engine.folder.parent
    result = json.loads((root / "train_result.json").read_text())
    assert (result["model_name"], result["done_flag"], result["label_dict"]) == ("Tiny-X", True, "")
    assert list(result["models"]) == ["last_1", "last_2", "last_3", "best"]
    assert result["models"]["last_1"]["pdparams"] == "Tiny/epoch_3.pdparams"
    assert result["models"]["best"]["score"] == engine.state.best_metric
    for entry in result["models"].values():
        assert all((root / entry[kind]).is_file() for kind in ("pdparams", "pdopt", "pdstates"))
    assert all((root / result[kind]).is_file() for kind in ("train_log", "config"))


def test_a_profile_is_a_trace_and_a_table(make: MakeEngine, tmp_path: Path) -> None:
    options = ["Global.epochs=1", "Global.profiler=True", f"Global.profiler_path={tmp_path}/profile"]
    options += ["Global.profiler_batches=[2, 3]", "DataLoader.Train.sampler.batch_size=1"]
    make("Tiny", "run", *options, "Arch.norm=none", "Global.eval_during_train=False").train()
    assert json.loads((tmp_path / "profile" / "trace.json").read_text())["traceEvents"]
    assert "conv2d" in (tmp_path / "profile" / "operators.txt").read_text()


def test_a_profile_of_a_run_that_is_too_short_says_so(
    make: MakeEngine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make("Tiny", "run", "Global.epochs=1", "Global.profiler=True", f"Global.profiler_path={tmp_path}/profile").train()
    assert "Global.profiler: records batches 10 to 16; the run had 4" in caplog.messages
    with pytest.raises(ConfigError, match=r"Global.profiler_batches: must be in order; received \[3, 2\]"):
        make("Tiny", "run", "Global.profiler=True", "Global.profiler_batches=[3, 2]").profile.close()


def test_a_profile_where_no_folder_can_be_is_refused(make: MakeEngine, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match="Global.profiler_path: can't make the folder"):
        make("Tiny", "run", "Global.profiler=True", f"Global.profiler_path={tmp_path}/file/profile").train()


def test_a_device_without_a_profiler_is_told(make: MakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: Any) -> None:
        raise NotImplementedError

    monkeypatch.setattr("paddle.profiler.Profiler", refuse)
    engine = make("Tiny", "run", "Global.profiler=True")
    with pytest.raises(DeviceError, match="Global.profiler: the plug-in of this device has no profiler; leave it off"):
        engine.train()
    assert not engine.folder.exists()


def test_a_check_builds_everything_and_writes_nothing(make: MakeEngine) -> None:
    engine = make("ResNet18", "run", "EMA.decay=0.9", "Global.update_freq=2", "Global.profiler=True")
    text = report(engine)
    rows = dict(re.findall(r"\| (.*?) +\| (.*?) +\|", text))
    assert rows["model"] == "ResNet18, 3 classes"
    assert rows["parameters"] == "11,182,275"
    assert rows["device, numbers"] == "cpu, float32"
    assert rows["training images"] == "26"
    assert rows["batch"] == "images [8, 3, 24, 24], labels [8], outputs logits [8, 3]"
    assert rows["steps per epoch"] == "2 of 2 batch(es)"
    assert rows["learning rate"].startswith("start 0, after warm-up 0.02, end ")
    assert rows["evaluation images"] == "13"
    assert float(rows["loss of the first batch"]) > 0
    assert not engine.folder.exists()


def test_two_metrics_of_one_name_are_refused_before_the_start(make: MakeEngine) -> None:
    engine = make("Tiny", "run", "Metric.Eval=[{TopkAcc: {topk: [1, 2]}}, {TopkAcc: {topk: 1}}]")
    with pytest.raises(ConfigError, match="-o Metric.Eval=.*: TopkAcc: 'top1' already comes from the TopkAcc at -o"):
        engine.train()
    assert not engine.folder.exists()


def test_the_time_to_go_is_that_of_the_epochs_which_this_run_will_train(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, logger="ppcls")
    epoch = {"epoch": 3, "epochs": 100, "batches_left": 101, "first_batch": 19, "num_batches": 40, "every": 10}
    tally = Tally(["CELoss"], [])
    progress = Progress(ScalarsOf(), tally, lambda: None, lambda: 2, **epoch, print_memory=True, clock=Clock(0))
    tally.add({}, Batch(np.zeros(32), None), {"CELoss": paddle.to_tensor(1.0)})
    now = progress.started + 60.0  # as if the first batch of this run had taken a minute, on however busy a machine
    progress.last_time = progress.started
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    progress.update(0.1, 91, None)
    # 20 batches of this epoch, 40 of each of the epochs 4 and 5: 100 minutes.
    assert re.fullmatch(
        r"\[Train\]\[Epoch 3/100\]\[Iter: 20/40\]loss: 1.00000, lr: 0.10000000, skipped updates: 2, "
        r"ips: 0.5 images/s, batch: 60.000 s, waiting for data: 0%, eta: 1:40:00",
        *caplog.messages,
    )


def test_a_new_run_says_by_its_first_batches_what_to_expect(make: MakeEngine, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="ppcls")
    trained(make("Tiny", "run", "Global.epochs=2"))
    trained(make("Tiny", "run", "Global.epochs=3", "Global.checkpoints=auto"))
    (forecast,) = (message for message in caplog.messages if message.startswith("forecast: "))
    found = re.fullmatch(r"forecast: 0:00:\d\d of training, evaluations aside(; peak .* (\d+) MiB)?", forecast)
    assert found and (not found[2] or 100 < int(found[2]) < 10**6)


@pytest.mark.parametrize(("wanted", "end"), [(True, " images/s, peak memory: 129 MiB"), (False, " images/s")])
def test_the_memory_of_a_device_that_counts_it_is_in_the_line_of_the_epoch(
    make: MakeEngine, monkeypatch: pytest.MonkeyPatch, wanted: bool, end: str
) -> None:
    monkeypatch.setattr(device, "peak_memory_mib", lambda: 129.3)
    engine = make("Tiny", "run", "Global.epochs=1", f"Global.print_mem_info={wanted}")
    engine.train()
    lines = (engine.folder / "train.log").read_text().splitlines()
    assert [line.endswith(end) for line in lines if "[Train][Epoch 1/1][Avg]" in line] == [True]


def test_the_cpu_counts_no_memory() -> None:
    assert device.peak_memory_mib() == 0.0
