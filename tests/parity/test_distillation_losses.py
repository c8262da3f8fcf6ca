"""Every loss between models in losses.json: the values and gradients of PaddleClas."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from ppcls.batch import Batch
from ppcls.losses import LOSSES
from ppcls.registry import Facts, Part

PARITY = Path(__file__).resolve().parents[3] / "shared/parity"
CASES = json.loads((PARITY / "losses.json").read_text()) if PARITY.exists() else []
OF_PAIRS = [case for case in CASES if case["loss"].startswith("Distillation") and case["loss"] in LOSSES]

# Which arrays PaddleClas was given for what our models call these outputs.
OUTPUTS = {
    "Student.logits": "logits",
    "Teacher.logits": "t_logits",
    **dict.fromkeys(("Student.backbone", "Student.blocks4", "Student.blocks5"), "features"),
    **dict.fromkeys(("Teacher.backbone", "Teacher.blocks4", "Teacher.blocks5"), "t_features"),
}


def identifier(case: Mapping[str, Any]) -> str:
    arguments = {name: value for name, value in case["args"].items() if name not in ("weight", "model_name_pairs")}
    return f"{case['loss']}({arguments})"


@pytest.mark.parametrize("case", OF_PAIRS, ids=identifier)
def test_the_value_and_the_gradient_are_those_of_paddleclas(case: Mapping[str, Any], shared: Path) -> None:
    with np.load(PARITY / "loss_inputs.npz") as arrays:
        inputs = {name: paddle.to_tensor(arrays[name], stop_gradient=name.startswith("label")) for name in arrays}
    outputs = {name: inputs[array] for name, array in OUTPUTS.items()}
    facts = Facts(class_num=10, class_counts=np.ones(10, np.int64))
    loss = LOSSES.build(Part(case["loss"], {**case["args"], "weight": 1.0}), facts)
    value = loss.of(outputs, Batch(inputs["logits"], inputs[f"label_{case['label']}"]))
    np.testing.assert_allclose(float(value), sum(case["terms"].values()), rtol=1e-5)
    value.backward()
    learning = {name for name, array in inputs.items() if array.grad is not None and np.abs(array.grad.numpy()).any()}
    assert learning == set(case["grad"])
    for name, (total, first) in case["grad"].items():
        gradient = inputs[name].grad.numpy()
        assert np.abs(gradient).sum() == pytest.approx(total, rel=1e-4)
        np.testing.assert_allclose(gradient.flatten()[:5], first, rtol=1e-4, atol=1e-4 * np.abs(gradient).max())
