"""Every metric of metrics.json that has its name here: the values of PaddleClas."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from ppcls.batch import Batch
from ppcls.metrics import METRICS
from ppcls.metrics.retrieval import Retrieval
from ppcls.registry import Facts, Part

PARITY = Path(__file__).resolve().parents[3] / "shared/parity"
CASES = json.loads((PARITY / "metrics.json").read_text()) if PARITY.exists() else []


def identifier(case: Mapping[str, Any]) -> str:
    return f"{case['metric']}({', '.join(f'{name}={value}' for name, value in case['args'].items())})"


def check_retrieval(case: Mapping[str, Any]) -> None:
    metric = Retrieval([METRICS.build(Part(case["metric"], case["args"]))])
    with np.load(PARITY / "metric_inputs.npz") as arrays:
        for of_query, name in enumerate(("gallery", "query")):
            ids, features = arrays[f"{name}_id"].flatten(), paddle.to_tensor(arrays[name])
            numbers = np.arange(len(ids)) + 1000 * of_query
            known = {"of_query": np.full_like(ids, of_query), "identity": ids, "camera": 0 * ids - 1, "image": numbers}
            extra = {key: paddle.to_tensor(values) for key, values in known.items()}
            metric.update({"features": features}, Batch(features, extra["identity"], extra))
    assert metric.compute(metric.state()) == pytest.approx(case["value"], rel=1e-5)


@pytest.mark.parametrize("case", CASES, ids=identifier)
def test_the_values_are_those_of_paddleclas(case: Mapping[str, Any], shared: Path) -> None:
    if case["metric"] not in METRICS:
        pytest.skip(f"there is no {case['metric']}")
    if case["input"].startswith("query"):
        check_retrieval(case)
        return
    names = ("two_class_logits", "two_class_ids") if case["input"].startswith("two_class") else ("logits", "multi_hot")
    with np.load(PARITY / "metric_inputs.npz") as arrays:
        logits, labels = (paddle.to_tensor(arrays[name]) for name in names)
    metric = METRICS.build(Part(case["metric"], case["args"]), Facts(class_num=logits.shape[1]))
    metric.update({"logits": logits}, Batch(logits, labels))
    expected = case["value"].values() if isinstance(case["value"], Mapping) else [case["value"]]
    assert list(metric.compute(metric.state()).values()) == pytest.approx(list(expected), rel=1e-5)
