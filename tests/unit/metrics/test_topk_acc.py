import numpy as np
import paddle
import pytest

from ppcls.batch import Batch
from ppcls.metrics.topk import TopkAcc

RNG = np.random.default_rng(0)
LOGITS = RNG.standard_normal((50, 10)).astype("float32")
LABELS = RNG.integers(0, 10, 50)


def counted(logits: np.ndarray, labels: np.ndarray, topk: object, dtype: str = "float32") -> dict[str, int]:
    """Return how many images the metric counts as right."""
    metric = TopkAcc(logits.shape[1], topk=topk)  # type: ignore[arg-type]
    sums = metric.measure({"logits": paddle.to_tensor(logits).astype(dtype)}, Batch(logits, paddle.to_tensor(labels)))
    assert all(value.dtype == paddle.int64 for value in sums.values())
    assert int(sums["images"]) == len(logits)
    return dict(zip(metric.names, sums["right"].tolist()))


def count(logits: np.ndarray, labels: np.ndarray, k: int) -> int:
    order = np.argsort(-logits, axis=1, kind="stable")[:, :k]
    return int((order == labels[:, None]).any(axis=1).sum())


@pytest.mark.parametrize("topk", [1, [1, 5], (2, 3, 10), [1, 1]])
def test_it_counts_the_labels_among_the_highest_logits(topk: object) -> None:
    ks = [topk] if isinstance(topk, int) else list(topk)  # type: ignore[call-overload]
    assert counted(LOGITS, LABELS, topk) == {f"top{k}": count(LOGITS, LABELS, k) for k in ks}


def test_among_equal_logits_the_lower_class_comes_first() -> None:
    logits = RNG.integers(0, 3, (200, 10)).astype("float32")
    labels = RNG.integers(0, 10, 200)
    assert counted(logits, labels, [1, 2, 5]) == {f"top{k}": count(logits, labels, k) for k in (1, 2, 5)}


def test_logits_that_are_not_numbers_are_never_right() -> None:
    nothing = np.full([4, 10], np.nan, "float32")
    assert counted(nothing, np.array([0, 1, 2, 3]), [1, 5]) == {"top1": 0, "top5": 0}


def test_of_probabilities_the_highest_is_the_label() -> None:
    soft = 0.6 * np.eye(10, dtype="float32")[LABELS] + 0.4 * np.eye(10, dtype="float32")[(LABELS + 1) % 10]
    assert counted(LOGITS, LABELS, [1, 5]) == counted(LOGITS, soft, [1, 5])


def test_bfloat16_logits_are_counted_too() -> None:
    rounded = paddle.to_tensor(LOGITS).astype("bfloat16").astype("float32").numpy()
    assert counted(LOGITS, LABELS, 1, "bfloat16") == {"top1": count(rounded, LABELS, 1)}


def test_batches_add_up_to_all_images() -> None:
    metric = TopkAcc(10)
    for part in (slice(0, 33), slice(33, 50)):
        metric.update({"logits": paddle.to_tensor(LOGITS[part])}, Batch(LOGITS[part], paddle.to_tensor(LABELS[part])))
    assert metric.compute(metric.state()) == {f"top{k}": count(LOGITS, LABELS, k) / 50 for k in (1, 5)}


def test_more_places_than_classes_are_refused_with_what_to_write() -> None:
    with pytest.raises(ValueError) as caught:
        TopkAcc(3)
    assert str(caught.value) == "topk: more than the 3 classes; received [1, 5]; set topk: [1, 3]"


@pytest.mark.parametrize("topk", [0, [], [1, -1]])
def test_places_must_be_positive(topk: object) -> None:
    with pytest.raises(ValueError, match="topk: not one or more positive numbers"):
        TopkAcc(10, topk=topk)  # type: ignore[arg-type]
