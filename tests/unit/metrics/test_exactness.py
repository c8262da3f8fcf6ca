"""No metric depends on the size of batches, nor on which rank counted what."""

from typing import Any

import numpy as np
import paddle
import pytest

from ppcls.batch import Batch, LabelKind
from ppcls.metrics import METRICS
from ppcls.metrics.base import Metric
from ppcls.registry import Facts, Part

RNG = np.random.default_rng(0)
NUM_IMAGES, NUM_CLASSES = 61, 5
# Coarse, so that many are equal.
LOGITS = (RNG.standard_normal((NUM_IMAGES, NUM_CLASSES)) * 4).round().astype("float32") / 4
IDS = RNG.integers(0, NUM_CLASSES, NUM_IMAGES)
HOT = (RNG.random((NUM_IMAGES, NUM_CLASSES)) < 0.4).astype("float32")
LABELS = {
    LabelKind.CLASS_IDS: IDS,
    LabelKind.PROBABILITIES: RNG.dirichlet(np.ones(NUM_CLASSES), NUM_IMAGES).astype("float32"),
    LabelKind.MULTI_HOT: HOT,
    LabelKind.MULTI_HOT_WITH_RATIOS: np.stack([HOT, np.broadcast_to(HOT.mean(axis=0), HOT.shape)], axis=1),
}
SETTINGS: dict[str, list[dict[str, Any]]] = {
    "DistillationTopkAcc": [{"model_key": "Student"}],
    "AccuracyScore": [{"base": "label"}, {"base": "sample"}],
    "MultiLabelMAP": [{"map_type": "integral"}, {"map_type": "11point"}],
    "F1": [{"average": "macro", "per_class": True}, {"average": "micro"}, {"average": "weighted"}],
}
# Measures of retrieval are not counted by themselves: see test_retrieval_metrics.py.
COUNTING = [name for name in METRICS.names() if hasattr(METRICS.load(name), "compute")]
CASES = [(name, arguments) for name in COUNTING for arguments in SETTINGS.get(name, [{}])]


def values(name: str, arguments: dict[str, Any], kind: LabelKind, num_ranks: int, batch_size: int) -> Any:
    """Return what the metric comes to, and its state, when ranks take turns with the images."""
    logits, labels = LOGITS, LABELS[kind]
    if name == "TprAtFpr":
        logits, labels = LOGITS[:, :2], IDS % 2
    facts = Facts(class_num=logits.shape[1], label_names=["a", "b"])
    metrics: list[Metric] = [METRICS.build(Part(name, arguments), facts) for _ in range(num_ranks)]
    for rank, metric in enumerate(metrics):
        own = np.arange(rank, NUM_IMAGES, num_ranks)
        for part in np.split(own, range(batch_size, len(own), batch_size)):
            outputs = dict.fromkeys(("logits", "Student.logits"), paddle.to_tensor(logits[part]))
            metric.update(outputs, Batch(logits[part], paddle.to_tensor(labels[part])))
        state = metric.state()
        metric.reset()
        assert all(not np.any(counted) for counted in metric.state().values())
        metric.reset(state)  # as a resumed run does
    merged = metrics[0].merged([metric.state() for metric in metrics])
    found = metrics[0].compute(merged)
    assert list(found) == list(metrics[0].names) and all(type(value) is float for value in found.values())
    return found, merged


@pytest.mark.parametrize(("name", "arguments"), CASES, ids=[f"{name}-{arguments}" for name, arguments in CASES])
def test_a_metric_is_the_same_for_any_batches_and_ranks(name: str, arguments: dict[str, Any]) -> None:
    for kind in sorted(METRICS.load(name).takes, key=lambda kind: kind.value):  # type: ignore[attr-defined]
        whole, state = values(name, arguments, kind, num_ranks=1, batch_size=NUM_IMAGES)
        for num_ranks, batch_size in ((1, 1), (1, 16), (2, 7), (2, 64), (3, 4), (3, 21)):
            found, merged = values(name, arguments, kind, num_ranks, batch_size)
            assert found == whole
            assert {key: array.shape for key, array in merged.items()} == {k: array.shape for k, array in state.items()}


@pytest.mark.parametrize(("name", "arguments"), CASES, ids=[f"{name}-{arguments}" for name, arguments in CASES])
def test_of_no_images_a_metric_has_finite_values(name: str, arguments: dict[str, Any]) -> None:
    facts = Facts(class_num=2 if name == "TprAtFpr" else NUM_CLASSES, label_names=[])
    metric: Metric = METRICS.build(Part(name, arguments), facts)
    assert np.isfinite(list(metric.compute(metric.state()).values())).all()
    assert set(metric.names.values()) <= {"max", "min"}
