import numpy as np
import paddle
import pytest

from ppcls.batch import Batch
from ppcls.losses.base import terms_of, total_of
from ppcls.losses.cross_entropy import CELoss

RNG = np.random.default_rng(0)
LOGITS = RNG.standard_normal((6, 4)).astype("float32")
LABELS = np.array([0, 3, 1, 2, 2, 0])
ONE_HOT = np.eye(4, dtype="float32")[LABELS]
COUNTS = np.bincount(LABELS, minlength=4)
SOFT = RNG.dirichlet(np.ones(4), 6).astype("float32")


def expected(targets: np.ndarray, epsilon: float = 0.0) -> float:
    log_p = LOGITS - np.log(np.exp(LOGITS).sum(axis=1, keepdims=True))
    return float(-((targets * (1 - epsilon) + epsilon / 4) * log_p).sum(axis=1).mean())


@pytest.mark.parametrize("epsilon", [None, 0.0, 0.1])
@pytest.mark.parametrize(("labels", "targets"), [(LABELS, ONE_HOT), (ONE_HOT, ONE_HOT), (SOFT, SOFT)])
def test_it_is_the_mean_cross_entropy_with_smoothed_labels(
    epsilon: float, labels: np.ndarray, targets: np.ndarray
) -> None:
    loss = CELoss(COUNTS, epsilon=epsilon)(paddle.to_tensor(LOGITS), paddle.to_tensor(labels))
    assert loss.shape == []
    assert float(loss) == pytest.approx(expected(targets, epsilon or 0.0), rel=1e-6)


def test_low_precision_logits_are_computed_in_float32() -> None:
    logits = paddle.to_tensor(LOGITS).astype("bfloat16")
    loss = CELoss(COUNTS, epsilon=0.1)(logits, paddle.to_tensor(LABELS))
    assert loss.dtype == paddle.float32
    assert float(loss) == float(CELoss(COUNTS, epsilon=0.1)(logits.astype("float32"), paddle.to_tensor(LABELS)))


def test_losses_add_up_with_their_weights() -> None:
    outputs, batch = {"logits": paddle.to_tensor(LOGITS)}, Batch(LOGITS, paddle.to_tensor(LABELS))
    terms = terms_of({"a": CELoss(COUNTS, weight=0.5), "b": CELoss(COUNTS, weight=2.0, epsilon=0.1)}, outputs, batch)
    assert float(terms["a"]) == pytest.approx(0.5 * expected(ONE_HOT), rel=1e-6)
    assert float(terms["b"]) == pytest.approx(2.0 * expected(ONE_HOT, 0.1), rel=1e-6)
    assert float(total_of(terms)) == float(terms["a"] + terms["b"])


def test_means_times_batch_sizes_add_up_to_the_mean_of_all() -> None:
    loss = CELoss(COUNTS, epsilon=0.1)
    parts = [slice(0, 4), slice(4, 6)]
    total = sum(
        float(loss(paddle.to_tensor(LOGITS[part]), paddle.to_tensor(LABELS[part]))) * len(LABELS[part])
        for part in parts
    )
    assert total / 6 == pytest.approx(expected(ONE_HOT, 0.1), rel=1e-6)


@pytest.mark.parametrize("epsilon", [-0.1, 1.0])
def test_a_smoothing_out_of_range_is_refused(epsilon: float) -> None:
    with pytest.raises(ValueError, match="epsilon: out of range"):
        CELoss(COUNTS, epsilon=epsilon)


WEIGHTS = [0.5, 1.0, 2.0, 4.0]


@pytest.mark.parametrize("epsilon", [None, 0.1])
@pytest.mark.parametrize(("labels", "targets"), [(LABELS, ONE_HOT), (SOFT, SOFT)])
def test_class_weights_scale_what_the_smoothed_label_has_of_each_class(
    epsilon: float, labels: np.ndarray, targets: np.ndarray
) -> None:
    loss = CELoss(COUNTS, epsilon=epsilon, class_weight=WEIGHTS)(paddle.to_tensor(LOGITS), paddle.to_tensor(labels))
    log_p = LOGITS - np.log(np.exp(LOGITS).sum(axis=1, keepdims=True))
    smoothed = targets * (1 - (epsilon or 0)) + (epsilon or 0) / 4
    assert float(loss) == pytest.approx(-(np.array(WEIGHTS) * smoothed * log_p).sum(axis=1).mean(), rel=1e-6)


def test_automatic_weights_make_every_class_count_the_same_and_average_to_one_over_the_images() -> None:
    counts = np.array([900, 90, 0, 10])
    weights = CELoss(counts, class_weight="auto").class_weight.numpy()
    np.testing.assert_allclose(weights, [1000 / 2700, 1000 / 270, 1, 1000 / 30], rtol=1e-6)
    np.testing.assert_allclose((weights * counts)[counts > 0], 1000 / 3, rtol=1e-6)
    assert (weights * counts).sum() / 1000 == pytest.approx(1)


def test_equal_weights_change_nothing_and_a_mixed_label_weighs_its_shares() -> None:
    logits, soft = paddle.to_tensor(LOGITS), paddle.to_tensor(SOFT)
    plain = CELoss(COUNTS, epsilon=0.1)(logits, soft)
    assert float(CELoss(COUNTS, epsilon=0.1, class_weight=[1.0] * 4)(logits, soft)) == pytest.approx(
        float(plain), rel=1e-6
    )
    both = paddle.to_tensor(np.array([[0.3, 0.7, 0, 0]], "float32"))
    uniform = paddle.zeros([1, 4])
    weighted = CELoss(COUNTS, class_weight=WEIGHTS)(uniform, both)
    assert float(weighted) == pytest.approx((0.3 * 0.5 + 0.7 * 1.0) * np.log(4), rel=1e-6)


def test_the_gradient_of_a_mixed_smoothed_label_is_the_softmax_minus_it() -> None:
    logits = paddle.to_tensor(LOGITS, stop_gradient=False)
    CELoss(COUNTS, epsilon=0.1)(logits, paddle.to_tensor(SOFT)).backward()
    softmax = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(logits.grad.numpy(), (softmax - (0.9 * SOFT + 0.1 / 4)) / 6, atol=1e-7)


@pytest.mark.parametrize("weights", [[1.0, 2.0], [1.0, 1.0, 1.0, -1.0]])
def test_class_weights_that_fit_no_classes_are_refused(weights: list) -> None:
    with pytest.raises(
        ValueError, match="class_weight: must be 4 numbers, none negative; received .*; give one per class"
    ):
        CELoss(COUNTS, class_weight=weights)
