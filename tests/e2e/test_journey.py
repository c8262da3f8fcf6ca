"""Train, evaluate, infer, export and predict, by the commands that a user types."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import paddle
from scripts import EVAL, EXPORT, INFER, PREDICT, REPO, TRANSFORMS, Journey, run

from ppcls.engine import checkpoints

LINE = re.compile(
    r"(?P<name>(?:\w+/)?\d\.png):\tclass id\(s\): \[(?P<ids>[012](, [012]){2})\], "
    r"score\(s\): \[(?P<scores>[01]\.\d\d(, 0\.\d\d){2})\], "
    r"label_name\(s\): \[(?P<labels>'(blue|green|red)'(, '(blue|green|red)'){2})\]"
)


def predictions(output: str) -> list[tuple[str, str, str, list[float]]]:
    """Return name, ids, labels and scores of each line of a prediction."""
    found = [LINE.fullmatch(line) for line in output.splitlines() if "class id(s)" in line]
    assert all(found)
    return [
        (line["name"], line["ids"], line["labels"], [float(score) for score in line["scores"].split(", ")])
        for line in found
        if line
    ]


def hint(output: str, purpose: str) -> list[str]:
    """Return the words of the command that a command names as the next one, without `python SCRIPT -c`."""
    (line,) = [line for line in output.splitlines() if f"INFO: to {purpose}: " in line]
    return [word for word in shlex.split(line.partition(f"to {purpose}: python ")[2]) if word not in ("-c", "-o")]


def test_the_whole_way(journey: Journey, shapes: Path) -> None:
    assert (journey.train.returncode, journey.train.stderr) == (0, "")
    assert (journey.export.returncode, journey.export.stderr) == (0, "")
    script, *arguments = hint(journey.train.stdout, "evaluate")
    assert (journey.folder / script).resolve() == REPO / EVAL
    evaluation = run(journey.folder, EVAL, *arguments)
    assert (evaluation.returncode, evaluation.stderr) == (0, "")

    run_folder = journey.folder / "output/ResNet18"
    records = [json.loads(line) for line in (run_folder / "metrics.jsonl").read_text().splitlines()]
    best = max((record for record in records if record["phase"] == "eval"), key=lambda record: record["top1"])
    assert (
        f"[Eval][Epoch 0][Avg]loss: {best['loss']:.5f}, top1: {best['top1']:.5f}, top2: {best['top2']:.5f}"
        in evaluation.stdout
    )
    assert {"train.log", "eval.log", "export.log", "config.yaml"} <= {file.name for file in run_folder.iterdir()}
    best_weights = paddle.load(str(run_folder / "best_model.pdparams"))
    assert list(best_weights) == list(checkpoints.read(run_folder / "latest").weights)

    assert (journey.folder / hint(evaluation.stdout, "export")[0]).resolve() == REPO / EXPORT
    folder = journey.folder / "exported"
    said = f'ppcls INFO: Export succeeded! The inference model exported has been saved in "{folder}".'
    assert re.search(
        r"^\[\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\] " + re.escape(said) + "$", journey.export.stdout, re.MULTILINE
    )
    assert sorted(file.name for file in folder.iterdir()) == ["inference.json", "inference.pdiparams", "inference.yml"]
    assert not list(journey.folder.glob(".*"))

    script, *words = hint(journey.export.stdout, "predict")
    assert (journey.folder / script).resolve() == REPO / PREDICT
    assert words == ["IMAGE_OR_FOLDER", "--model", str(folder)]
    words = [sys.executable, str(REPO / PREDICT), f"{shapes}/val", *words[1:], "-o", "PostProcess.Topk.topk=3"]
    predicted = subprocess.run(words, cwd=journey.folder, capture_output=True, text=True, check=False)
    assert (predicted.returncode, predicted.stderr) == (0, "")
    inferred = run(journey.folder, INFER, Journey.config, Journey.best, TRANSFORMS, f"Infer.infer_imgs={shapes}/val")
    assert (inferred.returncode, inferred.stderr) == (0, "")
    left, right = predictions(predicted.stdout), predictions(inferred.stdout)
    assert len(left) == 13
    for of_predictor, of_trainer in zip(left, right):
        assert of_predictor[:3] == of_trainer[:3]
        assert max(abs(a - b) for a, b in zip(of_predictor[3], of_trainer[3])) < 0.011  # another rounding at the border
