"""Every loss of losses.json that has its name here: the values and gradients of PaddleClas."""

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
ALL = json.loads((PARITY / "losses.json").read_text()) if PARITY.exists() else []
# Losses between models are in test_distillation_losses.py.
CASES = [case for case in ALL if not case["input"].startswith("pair")]

# What our models call these outputs, and which arrays PaddleClas was given for them.
OUTPUTS = {
    "logits": {"logits": "logits", "features": "logits"},
    "dict": {"logits": "logits", "features": "features", "backbone": "features"},
    "aux3": {"logits": "logits", "aux_0": "t_logits", "aux_1": "half"},
}

# Arguments that change nothing: see ppcls/config/dialect.py.
WITHOUT_EFFECT = {
    "SupConLoss": ["views"],
    "ContrastiveLoss": ["embedding_size"],
    "DCHLoss": ["n_class"],
    "LCDSHLoss": ["n_class"],
    "TripletAngularMarginLoss": ["reduction"],
}


def identifier(case: Mapping[str, Any]) -> str:
    arguments = ", ".join(f"{name}={value}" for name, value in case["args"].items() if name != "weight")
    return f"{case['loss']}({arguments}) of {case['label']}"


def deviates(case: Mapping[str, Any]) -> str:
    """Return why a loss can't be compared, or nothing."""
    if case["loss"] not in LOSSES:
        return f"there is no {case['loss']}"
    if case["loss"] == "CELoss" and case["label"] == "soft" and "epsilon" not in case["args"]:
        return "PaddleClas puts probabilities through another softmax, and ours on purpose doesn't"
    return ""


@pytest.mark.parametrize("case", CASES, ids=identifier)
def test_the_value_and_the_gradient_are_those_of_paddleclas(case: Mapping[str, Any], shared: Path) -> None:
    if deviates(case):
        pytest.skip(deviates(case))
    with np.load(PARITY / "loss_inputs.npz") as arrays:
        inputs = {name: paddle.to_tensor(arrays[name], stop_gradient=name.startswith("label")) for name in arrays}
    outputs = {
        name: 0.5 * inputs["logits"] if array == "half" else inputs[array]
        for name, array in OUTPUTS[case["input"]].items()
    }
    facts = Facts(class_num=10, class_counts=np.ones(10, np.int64), world_size=1)
    without = WITHOUT_EFFECT.get(case["loss"], [])
    arguments = {name: value for name, value in case["args"].items() if name not in without}
    if "xbm_size" in arguments:
        arguments["embedding_size"] = 16  # PaddleClas takes another until its first batch is to be kept
    loss = LOSSES.build(Part(case["loss"], arguments), facts)
    value = loss.of(outputs, Batch(inputs["logits"], inputs[f"label_{case['label']}"]))
    (expected,) = case["terms"].values()
    np.testing.assert_allclose(value.numpy(), np.multiply(expected, case["args"].get("weight", 1.0)), rtol=1e-5)
    value.sum().backward()
    for name, (total, first) in case["grad"].items():
        gradient = inputs[name].grad.numpy()
        assert np.abs(gradient).sum() == pytest.approx(total, rel=1e-4)
        np.testing.assert_allclose(gradient.flatten()[:5], first, rtol=1e-4, atol=1e-4 * np.abs(gradient).max())
