"""The examples of CONTRIBUTING.md do what it says, and its walks pass the functions that they name."""

import functools
import importlib
import re
import sys
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Callable

import pytest
from runs import MakeEngine, records, trained

from ppcls.export.export import export
from ppcls.inference.predictor import Predictor
from ppcls.models import ARCHITECTURES

PAGE = (Path(__file__).resolve().parents[3] / "CONTRIBUTING.md").read_text(encoding="utf-8")
IMPORTS = """
from collections.abc import Mapping
from functools import partial
from typing import Any, Callable
import paddle
from paddle import nn
from paddle.nn import functional as F
from ppcls.batch import Batch, LabelKind, Outputs, outputs_of
from ppcls.losses.base import Loss
from ppcls.metrics.base import State, SumMetric
from ppcls.models.layers import ConvNormAct, GlobalAvgPool, Head
from ppcls.models.model import Model
from ppcls.tasks.classify import Classify
"""


def test_the_architecture_the_loss_the_metric_and_the_task_of_the_page_train(
    make: MakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "page.py").write_text("\n\n".join([IMPORTS, *blocks]))
    monkeypatch.syspath_prepend(tmp_path)
    import page  # type: ignore[import-not-found]

    def task(config: Any, model: Any, losses: Any, unlabelled: Any = None) -> Any:
        return page.Mirrored(model, losses)

    monkeypatch.setattr("ppcls.engine.build.task", task)
    monkeypatch.setitem(ARCHITECTURES.module_of, "Plain2", "page")
    loss, metrics = "{'page:Poly1': {epsilon: 2.0}}", "'page:ErrorRate', {TopkAcc: {topk: 1}}"
    engine = trained(make("Plain2", "run", "Optimizer.lr=0.05", f"Loss.Train=[{loss}]", f"Metric.Eval=[{metrics}]"))
    assert {"Poly1", "mirrored"} <= records(engine, "train")[0].keys()
    evaluations = records(engine, "eval")
    assert all(record["error"] == pytest.approx(1 - record["top1"]) for record in evaluations)
    assert engine.state.best_metric == min(record["error"] for record in evaluations)


def functions_of(walk: str) -> list[str]:
    """Return the functions that a walk names, in its order."""
    text = PAGE.partition(f"### {walk}")[2].partition("\n#")[0]
    return re.findall(r"`([a-z_]+(?:\.\w+)+)`", text.replace("`inference.yml`", ""))


def code_of(name: str) -> CodeType:
    """Return the code of a function below ppcls, given as `package.module.Class.function`."""
    *path, last = name.split(".")
    module = importlib.import_module(".".join(["ppcls", *(part for part in path if part.islower())]))
    found = vars(functools.reduce(getattr, [part for part in path if not part.islower()], module))[last]
    return (found.func if isinstance(found, functools.cached_property) else found).__code__


def passed(act: Callable[[], object]) -> list[CodeType]:
    """Return the code of all functions that are called, in their order."""
    calls: list[CodeType] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            calls.append(frame.f_code)

    sys.setprofile(note)
    try:
        act()
    finally:
        sys.setprofile(None)
    return calls


def assert_passes(walk: str, act: Callable[[], object]) -> None:
    names = functions_of(walk)
    assert len(names) > 5
    calls = iter(passed(act))
    missed = [name for name in names if code_of(name) not in calls]
    assert not missed, f"{walk}: not called, or not in this order: {missed}"


def test_a_learning_rate_and_an_image_take_the_walks_of_the_page(
    make: MakeEngine, shapes: Path, tmp_path: Path
) -> None:
    lines = [f"{file.relative_to(shapes)} {number % 3}\n" for number, file in enumerate(shapes.glob("train/*/*.png"))]
    (tmp_path / "list.txt").write_text("".join(lines))
    dataset = {"name": "ImageNetDataset", "image_root": shapes, "cls_label_path": tmp_path / "list.txt"}
    options = ["Global.epochs=1", *(f"DataLoader.Train.dataset.{key}={value}" for key, value in dataset.items())]
    assert_passes("A learning rate", lambda: make("Tiny", "rate").train())
    assert_passes("An image", lambda: make("Tiny", "image", *options).train())


def test_the_name_of_a_class_takes_the_walk_of_the_page(make: MakeEngine, shapes: Path, tmp_path: Path) -> None:
    def walk() -> None:
        trained = make("Tiny", "name", "Global.epochs=1")
        trained.train()
        weights = f"Global.pretrained_model={trained.folder}/latest"
        folder = export(make("Tiny", "name", weights, f"Global.save_inference_dir={tmp_path}/exported"))
        (prediction,) = Predictor(folder).predict(str(shapes / "val/red/0.png"), topk=3)
        assert sorted(prediction.label_names) == ["blue", "green", "red"]

    assert_passes("The name of a class", walk)
