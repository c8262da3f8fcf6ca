import numpy as np
import paddle
import pytest

from ppcls.loss import CELoss, CombinedLoss

RNG = np.random.default_rng(0)
LOGITS = RNG.standard_normal((6, 4)).astype("float32")
LABELS = np.array([0, 3, 1, 2, 2, 0])
ONE_HOT = np.eye(4, dtype="float32")[LABELS]
SOFT = RNG.dirichlet(np.ones(4), 6).astype("float32")


def expected(targets: np.ndarray, epsilon: float = 0.0) -> float:
    log_p = LOGITS - np.log(np.exp(LOGITS).sum(axis=1, keepdims=True))
    return float(-((targets * (1 - epsilon) + epsilon / 4) * log_p).sum(axis=1).mean())


@pytest.mark.parametrize("epsilon", [None, 0.0, 0.1])
@pytest.mark.parametrize(("labels", "targets"), [(LABELS, ONE_HOT), (ONE_HOT, ONE_HOT), (SOFT, SOFT)])
def test_it_is_the_mean_cross_entropy_with_smoothed_labels(
    epsilon: float, labels: np.ndarray, targets: np.ndarray
) -> None:
    loss = CELoss(epsilon=epsilon)(paddle.to_tensor(LOGITS), paddle.to_tensor(labels))
    assert loss.shape == []
    assert float(loss) == pytest.approx(expected(targets, epsilon or 0.0), rel=1e-6)


def test_low_precision_logits_are_computed_in_float32() -> None:
    logits = paddle.to_tensor(LOGITS).astype("bfloat16")
    loss = CELoss(epsilon=0.1)(logits, paddle.to_tensor(LABELS))
    assert loss.dtype == paddle.float32
    assert float(loss) == float(CELoss(epsilon=0.1)(logits.astype("float32"), paddle.to_tensor(LABELS)))


def test_losses_add_up_with_their_weights() -> None:
    inputs = paddle.to_tensor(LOGITS), paddle.to_tensor(LABELS)
    combined = CombinedLoss([CELoss(weight=0.5), CELoss(weight=2.0, epsilon=0.1)])
    total = 0.5 * expected(ONE_HOT) + 2.0 * expected(ONE_HOT, 0.1)
    assert float(combined(*inputs)) == pytest.approx(total, rel=1e-6)


def test_means_times_batch_sizes_add_up_to_the_mean_of_all() -> None:
    loss = CELoss(epsilon=0.1)
    parts = [slice(0, 4), slice(4, 6)]
    total = sum(
        float(loss(paddle.to_tensor(LOGITS[part]), paddle.to_tensor(LABELS[part]))) * len(LABELS[part])
        for part in parts
    )
    assert total / 6 == pytest.approx(expected(ONE_HOT, 0.1), rel=1e-6)


@pytest.mark.parametrize("epsilon", [-0.1, 1.0])
def test_a_smoothing_out_of_range_is_refused(epsilon: float) -> None:
    with pytest.raises(ValueError, match="epsilon: out of range"):
        CELoss(epsilon=epsilon)
