"""What a user may do wrong, through the real scripts: one clear message, exit status 2, nothing written."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from scripts import EVAL, EXPORT, INFER, TRAIN, Journey, command, run

TRAIN_SET, EVAL_SET = "DataLoader.Train.dataset", "DataLoader.Eval.dataset"
LISTED = f"{TRAIN_SET}={{name: ImageNetDataset, image_root: images, cls_label_path: %s}}"
WEIGHTS = "Global.pretrained_model={best}"

# Name -> script, options, the whole message. {user} is the user's folder, {best} the weights of the journey.
CASES: dict[str, tuple[str, list[str], str]] = {
    "key": (
        TRAIN,
        ["Global.epoch=3"],
        "-o Global.epoch=3: unknown key 'Global.epoch'; did you mean 'epochs'?",
    ),
    "section": (
        TRAIN,
        ["Optimzer.lr=0.1"],
        "-o Optimzer.lr=0.1: unknown key 'Optimzer'; did you mean 'Optimizer'?",
    ),
    "part": (
        TRAIN,
        ["Arch.name=ResNet81"],
        "-o Arch.name=ResNet81: Arch: unknown architecture 'ResNet81'; did you mean 'ResNet18'?",
    ),
    "argument": (
        TRAIN,
        ["Arch.num_clases=3"],
        "-o Arch.num_clases=3: Arch: unknown argument of ResNet18 'num_clases'; did you mean 'class_num'?",
    ),
    "type": (
        TRAIN,
        ["Global.epochs=many"],
        "-o Global.epochs=many: Global.epochs: expected an integer; received the text 'many'",
    ),
    "three": (
        TRAIN,
        ["Global.epochs=0", "Global.seed=-1", "Metric.Eval.0.TopkAcc.topk=[a]"],
        "-o Global.epochs=0: Global.epochs: expected at least 1; received 0\n"
        "-o Global.seed=-1: Global.seed: expected at least 0; received -1\n"
        "-o Metric.Eval.0.TopkAcc.topk=[a]: Metric.Eval.0.TopkAcc.topk",
    ),
    "value": (
        TRAIN,
        ["DataLoader.Train.sampler.batch_size=0"],
        "{user}/shapes.yaml:23: DataLoader.Train.sampler: BatchSampler: batch_size: must be at least 1; received 0",
    ),
    "topk": (
        TRAIN,
        ["Metric.Eval.0.TopkAcc.topk=[1, 5]"],
        "{user}/shapes.yaml:38: Metric.Eval.0.TopkAcc: TopkAcc: topk: more than the 3 classes; received [1, 5]",
    ),
    "no loss": (TRAIN, ["Loss.Train=[]"], "{user}/shapes.yaml: missing key 'Loss.Train'; `train` needs it"),
    "device": (
        TRAIN,
        ["Global.device=sdaa"],
        "Global.device: sdaa: the device 'sdaa' is not available; Paddle 3",
    ),
    "float16": (
        TRAIN,
        ["AMP.dtype=float16"],
        "AMP.dtype: float16 has no operators on the CPU; use -o AMP.dtype=bfloat16",
    ),
    "no folder": (
        TRAIN,
        [f"{TRAIN_SET}.image_root=nowhere"],
        "image_root: is not a folder; received 'nowhere'; check the path",
    ),
    "no classes": (
        TRAIN,
        [f"{TRAIN_SET}.image_root=empty"],
        "image_root: has no folders; received 'empty'; give a folder",
    ),
    "a class without images": (
        TRAIN,
        [f"{TRAIN_SET}.image_root=.", "Arch.class_num=100"],
        "image_root: a class folder has no image; received",
    ),
    "wrong class_num": (
        TRAIN,
        ["Arch.class_num=2", "Metric.Eval=[]", "Metric.Train=[]"],
        "{data}/train/red: here is the first of 1 labels that are out of range; received 2 for class_num 2;",
    ),
    "no list": (TRAIN, [LISTED % "nowhere.txt"], "cls_label_path: can't be read; received 'nowhere.txt' (No such file"),
    "a folder for a list": (
        TRAIN,
        [LISTED % "empty"],
        "cls_label_path: can't be read; received 'empty' (Is a directory)",
    ),
    "empty list": (TRAIN, [LISTED % "empty.txt"], "empty.txt: the list is empty; write a path and a"),
    "label": (
        TRAIN,
        [LISTED % "label.txt"],
        "label.txt:2: here is the first of 1 labels that are out of range; received 3 for class_num 3; use 0 to 2",
    ),
    "no label": (TRAIN, [LISTED % "text.txt"], "text.txt:1: no integer label at the end; received 'good.png one'"),
    "no image": (TRAIN, [LISTED % "missing.txt"], "missing.txt:1: 1 of 2 images are missing; received 'gone.png'"),
    "corrupt image": (
        TRAIN,
        [LISTED % "corrupt.txt"],
        "images/corrupt.png: damaged: a PNG ",
    ),
    "corrupt image for evaluation": (
        EVAL,
        [f"{EVAL_SET}={{name: ImageNetDataset, image_root: images, cls_label_path: corrupt.txt}}", WEIGHTS],
        "images/corrupt.png: damaged: a PNG ",
    ),
    "output below a file": (
        TRAIN,
        ["Global.output_dir=label.txt/output"],
        "Global.output_dir: can't make the folder 'label.txt/output/ResNet18'; Not a directory; give another one",
    ),
    "output is a file": (
        EVAL,
        ["Global.output_dir=label.txt", WEIGHTS],
        "Global.output_dir: can't make the folder 'label.txt/ResNet18'; Not a directory; give another one",
    ),
    "no checkpoint": (
        TRAIN,
        ["Global.checkpoints=output/latest"],
        "checkpoint 'output/latest': latest.pdparams, latest.pdopt, latest.pdstates not found; give the prefix of a",
    ),
    "a folder for a checkpoint": (
        TRAIN,
        ["Global.checkpoints=empty"],
        "checkpoint 'empty': empty.pdparams, empty.pdopt, empty.pdstates not found; give the prefix of a complete",
    ),
    "no weights": (
        TRAIN,
        ["Global.pretrained_model=nowhere"],
        "nowhere: no weights there; tried the suffixes .pdparams, .safetensors, .pth, .pt; give a file or its prefix",
    ),
    "a folder for weights": (
        EVAL,
        ["Global.pretrained_model=empty"],
        "empty: no weights there; tried the suffixes .pdparams, ",
    ),
    "an image for weights": (
        EVAL,
        ["Global.pretrained_model=images/good.png"],
        "images/good.png: not a file of weights by its suffix; give one of .pdparams, ",
    ),
    "a text for weights": (
        EVAL,
        ["Global.pretrained_model=text.pdparams"],
        "text.pdparams: not a weights file or damaged; ",
    ),
    "weights of another model": (
        EVAL,
        [WEIGHTS, "Arch.name=ResNet50"],
        "best_model.pdparams: doesn't fit ResNet50; missing: ",
    ),
    **{
        f"no weights for {name}": (script, [], f"no weights are given; `{name}` needs trained ones; add -o Global.pre")
        for name, script in (("eval", EVAL), ("infer", INFER), ("export", EXPORT))
    },
    "nothing to infer": (INFER, [WEIGHTS], "{user}/shapes.yaml: missing key 'Infer.infer_imgs'; `infer` needs it"),
    "channels of the input": (
        TRAIN,
        ["Global.image_shape=[1, 24, 24]"],
        "{user}/shapes.yaml: Global.image_shape: ResNet18 takes 3 channels; received [1, 24, 24]; "
        "set it to [3, 24, 24]",
    ),
    "channels of the model": (
        TRAIN,
        ["Global.image_shape=[1, 24, 24]", "Arch.input_image_channel=1"],
        "{user}/shapes.yaml: DataLoader.Train: makes images of 3 channels, and ResNet18 takes 1; "
        "set Arch.input_image_channel to 3; grey images come with three equal channels",
    ),
    "image_shape": (
        EXPORT,
        [WEIGHTS, "Global.image_shape=[3, 32, 32]"],
        "{user}/shapes.yaml: Global.image_shape: [3, 32, 32]; the transforms give [3, 24, 24]; make the two equal",
    ),
    "a file for the export": (
        EXPORT,
        [WEIGHTS, "Global.save_inference_dir=label.txt/model"],
        "Global.save_inference_dir: can't make the folder 'label.txt'; File exists; give another one",
    ),
}
# What a run has written before it could find out.
LATE = {"corrupt image", "corrupt image for evaluation", "a file for the export"}


@pytest.fixture(scope="module")
def results(journey: Journey, write_shapes_yaml: Any, shapes: Path, tmp_path_factory: Any) -> dict[str, dict[str, Any]]:
    """What each case came to, all of them run in one process."""
    user = tmp_path_factory.mktemp("mistakes")
    write_shapes_yaml(user)
    (user / "empty").mkdir()
    (user / "images").mkdir()
    good = cv2.imencode(".png", np.zeros((30, 30, 3), "uint8"))[1].tobytes()
    (user / "images/good.png").write_bytes(good)
    (user / "images/corrupt.png").write_bytes(good[: len(good) // 2])
    lists = {
        "empty": "\n",
        "label": "good.png 0\ngood.png 3\n",
        "text": "good.png one\n",
        "missing": "gone.png 0\ngood.png 1\n",
    }
    for name, text in {**lists, "corrupt": "good.png 0\ncorrupt.png 1\n"}.items():
        (user / f"{name}.txt").write_text(text)
    (user / "text.pdparams").write_text("weights")
    best = journey.folder / "output/ResNet18/best_model"
    calls = []
    for script, options, _ in CASES.values():
        words = command(script, str(user / "shapes.yaml"), "Global.output_dir=output", *options)
        calls.append((words[1], [word.format(best=best) if "{best}" in word else word for word in words[2:]]))
    many = [sys.executable, str(Path(__file__).with_name("many.py"))]
    done = subprocess.run(many, cwd=user, input=json.dumps(calls), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    places = {"user": str(user), "data": str(shapes)}
    return {name: {**found, **places} for name, found in zip(CASES, json.loads(done.stdout.splitlines()[-1]))}


@pytest.mark.parametrize("name", CASES)
def test_a_mistake_is_one_message(results: dict[str, dict[str, Any]], name: str) -> None:
    found, message = results[name], CASES[name][2]
    for place in ("user", "data"):
        message = message.replace(f"{{{place}}}", found[place])
    assert message in found["errors"]
    assert found["errors"].count("\n") == message.count("\n") + 1
    assert "Traceback" not in found["errors"] + found["output"]
    assert found["status"] == 2
    assert not found["added"] or name in LATE


@pytest.mark.parametrize("place", ["nowhere.yaml", "empty"])
def test_a_config_that_cannot_be_read_is_one_message(tmp_path: Path, place: str) -> None:
    (tmp_path / "empty").mkdir()
    done = run(tmp_path, TRAIN, place)
    assert done.returncode == 2
    assert place in done.stderr
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)


def test_a_full_disk_leaves_the_old_export_as_it_was(journey: Journey) -> None:
    files = {file: file.read_bytes() for file in (journey.folder / "exported").iterdir()}
    export = " ".join(map(shlex.quote, command(EXPORT, Journey.config, Journey.best)))
    done = subprocess.run(
        ["bash", "-c", f"ulimit -f 20000; {export}"], cwd=journey.folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert re.fullmatch(
        r"Global.save_inference_dir: what was written can't be read back \(.*\); see if the disk is full\n", done.stderr
    )
    assert {file: file.read_bytes() for file in (journey.folder / "exported").iterdir()} == files
    assert not list(journey.folder.glob(".*"))


def test_a_full_disk_while_training_is_one_message(write_shapes_yaml: Any, tmp_path: Path) -> None:
    train = " ".join(map(shlex.quote, command(TRAIN, write_shapes_yaml(tmp_path))))
    done = subprocess.run(
        ["bash", "-c", f"ulimit -f 20000; {train}"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    folder = tmp_path / "output/ResNet18"
    assert done.stderr == (
        f"{folder}/latest.new.pdparams: can't be written; File too large; free or choose another disk or folder\n"
    )
    assert not list(folder.glob("*.pd*"))
