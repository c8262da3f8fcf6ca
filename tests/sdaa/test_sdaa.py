"""Everything that takes `--device sdaa` runs on simulated devices; docs/sdaa.md says how to do so by hand."""

import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

REPO = Path(__file__).resolve().parents[2]
TRANSFORMS = "[DecodeImage, {ResizeImage: {size: 32}}, NormalizeImage, ToCHWImage]"
SMALL = (
    *("-o", "DataLoader.Train.dataset.transform_ops.1.RandCropImage.size=32"),
    *("-o", f"DataLoader.Eval.dataset.transform_ops={TRANSFORMS}"),
    *("-o", "Global.image_shape=[3, 32, 32]"),
    *("-o", "Global.print_batch_step=1"),
)


def run(script: str, *words: str, sdaa: dict[str, str], cwd: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(REPO / script), *words]
    return subprocess.run(command, cwd=cwd, env=sdaa, capture_output=True, text=True, timeout=300)


def succeed(script: str, *words: str, sdaa: dict[str, str], cwd: Path) -> str:
    """Run a script and return what it printed."""
    done = run(script, *words, sdaa=sdaa, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def launched(device: str, images: Path, *more: str) -> tuple[str, ...]:
    """Return the launcher's flags for two ranks and two steps."""
    words = f"--model_name resnet18 --nproc_per_node 2 --bs 4 --lr 0.01 --device {device} --step 2 --num_workers 0"
    return (*words.split(), "--dataset_path", str(images), *SMALL, *more)


def numbers(folder: Path) -> list[dict[str, Any]]:
    """Return the loss and the accuracies of each step."""
    records = [json.loads(line) for line in (folder / "output/ResNet18/metrics.jsonl").read_text().splitlines()]
    return [{key: record[key] for key in ("step", "loss", "top1", "top5")} for record in records]


@pytest.fixture(scope="module")
def trained_on_cpu(sdaa: dict[str, str], images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of two ranks on the CPU, of a machine with one device."""
    folder, one = tmp_path_factory.mktemp("cpu"), {**sdaa, "SDAA_VISIBLE_DEVICES": "0"}
    succeed("run_scripts/run_paddle_resnet.py", *launched("cpu", images), sdaa=one, cwd=folder)
    return folder


def test_cpu_ranks_may_be_more_than_the_devices(trained_on_cpu: Path) -> None:
    assert [step["step"] for step in numbers(trained_on_cpu)] == [1, 2]


def test_two_devices_train_as_two_cpu_ranks_do_bit_for_bit(
    sdaa: dict[str, str], images: Path, trained_on_cpu: Path, tmp_path: Path
) -> None:
    # The collectives are the simulated device's own, over shared memory.
    printed = succeed("run_scripts/run_paddle_resnet.py", *launched("sdaa", images), sdaa=sdaa, cwd=tmp_path)
    assert "on sdaa:0, float32" in printed
    assert printed.endswith("experiment ended\n")
    assert numbers(tmp_path) == numbers(trained_on_cpu)


def test_weights_in_float16_train_and_are_profiled(sdaa: dict[str, str], images: Path, tmp_path: Path) -> None:
    options = ("--autocast", "True", "--grad_scale", "True", "--scale_loss", "128", "-o", "AMP.level=O2")
    profiler = ("--profiler", "True", *("-o", "Global.profiler_batches=[1, 2]"))
    flags = launched("sdaa", images, *options, *profiler, "-o", "DataLoader.Train.sampler.batch_size=1")
    printed = succeed("run_scripts/run_paddle_resnet.py", *flags, sdaa=sdaa, cwd=tmp_path)
    assert "on sdaa:0, float16, level O2" in printed
    assert "conv2d" in (tmp_path / "profiler_log/operators.txt").read_text()


def test_mixed_precision_evaluation_export_and_prediction_run_on_the_device(
    sdaa: dict[str, str], images: Path, trained_on_cpu: Path, tmp_path: Path
) -> None:
    half = ("--autocast", "True", "--grad_scale", "True")
    flags = launched("sdaa", images, *half)
    printed = succeed("run_scripts/run_paddle_resnet.py", *flags, sdaa=sdaa, cwd=tmp_path)
    assert "on sdaa:0, float16, level O1" in printed
    here, there = numbers(tmp_path), numbers(trained_on_cpu)
    assert here[0]["loss"] != there[0]["loss"]
    assert [step["loss"] for step in here] == pytest.approx([step["loss"] for step in there], rel=0.02)

    config = ("-c", "output/ResNet18/config.yaml", "-o", "Global.pretrained_model=output/ResNet18/latest")
    with ThreadPoolExecutor() as pool:
        folders = (tmp_path, trained_on_cpu)
        evaluations = [pool.submit(succeed, "tools/eval.py", *config, sdaa=sdaa, cwd=folder) for folder in folders]
        exported = (*config, "-o", "Global.save_inference_dir=exported")
        pool.submit(succeed, "tools/export_model.py", *exported, sdaa=sdaa, cwd=tmp_path).result()
        evaluated = [evaluation.result() for evaluation in evaluations]
    losses = [float(re.findall(r"\[Eval\]\[Epoch 0\]\[Avg\]loss: ([\d.]+)", printed)[0]) for printed in evaluated]
    assert losses[0] == pytest.approx(losses[1], rel=0.2)  # a step amplifies rounding

    options = (
        *("-o", f"Global.inference_model_dir={tmp_path}/exported"),
        *("-o", f"Global.infer_imgs={images}/val/class0"),
    )

    def predicted(name: str) -> str:
        words = ("-c", f"configs/{name}.yaml", *options)
        return succeed("deploy/python/predict_cls.py", *words, sdaa=sdaa, cwd=REPO / "deploy")

    with ThreadPoolExecutor() as pool:
        lines = list(pool.map(predicted, ("inference_cls_sdaa", "inference_cls")))
    assert lines[0].count("class id(s): ") == 2
    assert lines[0] == lines[1]  # on the device as on the CPU


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ("--device", "npu"),
            r"--device npu: the device 'npu' is not available; Paddle 3\..* has here: sdaa, cpu; choose one of these",
        ),
        (
            ("--nproc_per_node", "5"),
            "--nproc_per_node: each rank needs a device of its own; received 5 for 4 of 'sdaa'",
        ),
        (("-o", "Global.device=sdaa:1"), "--device: 'sdaa:1' is one device for 2 ranks; give 'sdaa', and each takes"),
    ],
)
def test_a_device_that_is_not_there_is_told_with_what_is(
    sdaa: dict[str, str], images: Path, tmp_path: Path, flags: tuple[str, ...], message: str
) -> None:
    done = run("run_scripts/run_paddle_resnet.py", *launched("sdaa", images, *flags), sdaa=sdaa, cwd=tmp_path)
    assert done.returncode == 2
    assert re.search(message, done.stdout + done.stderr)
