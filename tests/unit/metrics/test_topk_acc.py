import numpy as np
import paddle
import pytest

from ppcls.metrics.topk import CombinedMetric, TopkAcc

RNG = np.random.default_rng(0)
LOGITS = RNG.standard_normal((50, 10)).astype("float32")
LABELS = RNG.integers(0, 10, 50)


def count(logits: np.ndarray, labels: np.ndarray, k: int) -> int:
    order = np.argsort(-logits, axis=1, kind="stable")[:, :k]
    return int((order == labels[:, None]).any(axis=1).sum())


@pytest.mark.parametrize("topk", [1, [1, 5], (2, 3, 10)])
def test_it_counts_the_labels_among_the_highest_logits(topk: object) -> None:
    result = TopkAcc(10, topk=topk)(paddle.to_tensor(LOGITS), paddle.to_tensor(LABELS))  # type: ignore[arg-type]
    for name, total in result.items():
        assert total.shape == [] and total.dtype == paddle.int64
        assert int(total) == count(LOGITS, LABELS, int(name[3:]))
    assert list(result) == [f"top{k}" for k in ([topk] if isinstance(topk, int) else list(topk))]  # type: ignore[call-overload]


def test_among_equal_logits_the_lower_class_comes_first() -> None:
    logits = RNG.integers(0, 3, (200, 10)).astype("float32")
    labels = RNG.integers(0, 10, 200)
    result = TopkAcc(10, topk=[1, 2, 5])(paddle.to_tensor(logits), paddle.to_tensor(labels))
    assert {name: int(total) for name, total in result.items()} == {
        f"top{k}": count(logits, labels, k) for k in (1, 2, 5)
    }


def test_logits_that_are_not_numbers_are_never_right() -> None:
    logits = paddle.full([4, 10], float("nan"))
    result = TopkAcc(10)(logits, paddle.to_tensor([0, 1, 2, 3]))
    assert [int(total) for total in result.values()] == [0, 0]


def test_of_probabilities_the_highest_is_the_label() -> None:
    soft = 0.6 * np.eye(10, dtype="float32")[LABELS] + 0.4 * np.eye(10, dtype="float32")[(LABELS + 1) % 10]
    hard = TopkAcc(10)(paddle.to_tensor(LOGITS), paddle.to_tensor(LABELS))
    mixed = TopkAcc(10)(paddle.to_tensor(LOGITS), paddle.to_tensor(soft))
    assert [int(total) for total in hard.values()] == [int(total) for total in mixed.values()]


def test_bfloat16_logits_are_counted_too() -> None:
    logits = paddle.to_tensor(LOGITS).astype("bfloat16")
    result = TopkAcc(10, topk=1)(logits, paddle.to_tensor(LABELS))
    assert int(result["top1"]) == count(logits.astype("float32").numpy(), LABELS, 1)


def test_sums_over_parts_are_the_sum_over_all() -> None:
    metric = TopkAcc(10)
    parts = [metric(paddle.to_tensor(LOGITS[a:b]), paddle.to_tensor(LABELS[a:b])) for a, b in [(0, 33), (33, 50)]]
    assert sum(int(part["top5"]) for part in parts) == count(LOGITS, LABELS, 5)


def test_more_places_than_classes_are_refused_with_what_to_write() -> None:
    with pytest.raises(ValueError) as caught:
        TopkAcc(3)
    assert str(caught.value) == "topk: more than the 3 classes; received [1, 5]; set topk: [1, 3]"


@pytest.mark.parametrize("topk", [0, [], [1, -1]])
def test_places_must_be_positive(topk: object) -> None:
    with pytest.raises(ValueError, match="topk: not one or more positive numbers"):
        TopkAcc(10, topk=topk)  # type: ignore[arg-type]


def test_metrics_are_merged() -> None:
    metric = CombinedMetric([TopkAcc(10, topk=1), TopkAcc(10, topk=[5])])
    assert list(metric(paddle.to_tensor(LOGITS), paddle.to_tensor(LABELS))) == ["top1", "top5"]
