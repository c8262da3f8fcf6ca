"""The examples of CONTRIBUTING.md do what it says."""

import re
from pathlib import Path
from typing import Any

import pytest
from runs import MakeEngine, records, trained

REPO = Path(__file__).resolve().parents[3]
IMPORTS = """
from collections.abc import Mapping
from typing import Any, Callable
import paddle
from paddle import nn
from paddle.nn import functional as F
from ppcls.batch import Batch, LabelKind, Outputs, outputs_of
from ppcls.losses.base import Loss
from ppcls.metrics.base import State, SumMetric
from ppcls.tasks.classify import Classify
"""


def test_the_loss_the_metric_and_the_task_of_the_page_train(
    make: MakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (REPO / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "page.py").write_text("\n\n".join([IMPORTS, *blocks]))
    monkeypatch.syspath_prepend(tmp_path)
    import page  # type: ignore[import-not-found]

    def task(model: Any, losses: Any) -> Any:
        return page.Mirrored(model, losses)

    monkeypatch.setattr("ppcls.engine.build.task", task)
    loss, metrics = "{'page:Poly1': {epsilon: 2.0}}", "'page:ErrorRate', {TopkAcc: {topk: 1}}"
    engine = trained(make("Tiny", "run", "Optimizer.lr=0.05", f"Loss.Train=[{loss}]", f"Metric.Eval=[{metrics}]"))
    assert {"Poly1", "mirrored"} <= records(engine, "train")[0].keys()
    evaluations = records(engine, "eval")
    assert all(record["error"] == pytest.approx(1 - record["top1"]) for record in evaluations)
    assert engine.state.best_metric == min(record["error"] for record in evaluations)
