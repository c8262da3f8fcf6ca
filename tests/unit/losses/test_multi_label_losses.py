"""The losses in which each class is a question of its own, on one image whose loss can be written down."""

from typing import Any

import numpy as np
import paddle
import pytest
from paddle.nn import functional as F

from ppcls.batch import Batch, LabelKind
from ppcls.losses.asymmetric import MultiLabelAsymmetricLoss
from ppcls.losses.base import Loss
from ppcls.losses.bce import BCELoss
from ppcls.losses.focal import FocalLoss
from ppcls.losses.multi_label import MultiLabelLoss

RNG = np.random.default_rng(0)
LOGITS = RNG.standard_normal((6, 4)).astype("float32")
THERE = 1 / (1 + np.exp(-LOGITS.astype("float64")))
HOT = (RNG.random((6, 4)) < 0.4).astype("float32")
IDS = np.array([0, 3, 1, 2, 2, 0])
ONE_HOT = np.eye(4, dtype="float32")[IDS]
ENTROPIES = -np.log(np.where(HOT > 0, THERE, 1 - THERE))


def value(loss: Loss, labels: np.ndarray, dtype: str = "float32") -> float:
    logits = paddle.to_tensor(LOGITS).astype(dtype)
    found = loss.of({"logits": logits}, Batch(LOGITS, paddle.to_tensor(labels)))
    assert found.shape == [] and found.dtype == paddle.float32
    return float(found)


@pytest.mark.parametrize(("size_sum", "expected"), [(False, ENTROPIES.mean()), (True, ENTROPIES.sum(axis=1).mean())])
def test_the_multi_label_loss_is_the_binary_cross_entropy(size_sum: bool, expected: float) -> None:
    loss = MultiLabelLoss(size_sum=size_sum, weight=2.0)
    assert value(loss, HOT) == pytest.approx(2 * expected, rel=1e-6)
    with_ratios = np.stack([HOT, np.full_like(HOT, 0.3)], axis=1)
    assert value(loss, with_ratios) == value(loss, HOT)


def test_ratios_make_the_rarer_answer_count_more() -> None:
    ratios = np.array([0.1, 0.5, 0.9, 0.0], "float32")
    labels = np.stack([HOT, np.broadcast_to(ratios, HOT.shape)], axis=1)
    factors = np.exp(np.where(HOT > 0, 1 - ratios, ratios))
    loss = MultiLabelLoss(weight_ratio=True)
    assert value(loss, labels) == pytest.approx((ENTROPIES * factors).mean(), rel=1e-6)
    assert loss.takes == {LabelKind.MULTI_HOT_WITH_RATIOS}


def test_the_asymmetric_loss_without_focus_and_clip_is_the_binary_cross_entropy() -> None:
    loss = MultiLabelAsymmetricLoss(gamma_pos=0, gamma_neg=0, clip=0, reduction="mean")
    assert value(loss, HOT) == pytest.approx(ENTROPIES.mean(), rel=1e-6)
    summed = MultiLabelAsymmetricLoss(gamma_pos=0, gamma_neg=0, clip=0)
    assert value(summed, HOT) == pytest.approx(ENTROPIES.sum(), rel=1e-6)


def test_absent_classes_that_are_known_to_be_cost_nothing() -> None:
    loss = MultiLabelAsymmetricLoss()
    logits, labels = paddle.full([1, 2], -4.0), paddle.zeros([1, 2])
    assert float(loss(logits, labels)) == 0


def test_the_factor_of_the_asymmetric_loss_has_a_gradient_if_it_is_wanted() -> None:
    gradients = []
    for constant in (True, False):
        logits = paddle.to_tensor(LOGITS, stop_gradient=False)
        MultiLabelAsymmetricLoss(disable_focal_loss_grad=constant)(logits, paddle.to_tensor(HOT)).backward()
        gradients.append(logits.grad.numpy())
    assert not np.allclose(*gradients)


def test_focal_loss_without_focus_is_half_the_binary_cross_entropy() -> None:
    loss = FocalLoss(gamma=0, alpha=0.5)
    assert value(loss, HOT) == pytest.approx(0.5 * ENTROPIES.sum(axis=1).mean(), rel=1e-6)


@pytest.mark.parametrize("labels", [IDS, ONE_HOT])
def test_focal_loss_weighs_each_class_by_how_wrong_the_model_is(labels: np.ndarray) -> None:
    right = np.where(ONE_HOT > 0, THERE, 1 - THERE)
    shares = np.where(ONE_HOT > 0, 0.25, 0.75)
    expected = (-shares * (1 - right) ** 2 * np.log(right)).sum(axis=1).mean()
    assert value(FocalLoss(), labels) == pytest.approx(expected, rel=1e-6)


def test_bce_loss_takes_labels_of_all_kinds_and_counts_both_of_two_mixed_images() -> None:
    expected = -np.log(np.where(ONE_HOT > 0, THERE, 1 - THERE)).mean()
    mixed = np.clip(ONE_HOT + np.roll(ONE_HOT, 1, axis=0), 0, 1)
    assert value(BCELoss(4), IDS) == pytest.approx(expected, rel=1e-6)
    assert value(BCELoss(4), 0.85 * ONE_HOT + 0.15 * np.roll(ONE_HOT, 1, axis=0)) == value(BCELoss(4), IDS)
    assert value(BCELoss(4), 0.7 * ONE_HOT + 0.3 * np.roll(ONE_HOT, 1, axis=0)) == value(BCELoss(4), mixed)


def test_bce_loss_weighs_the_classes_that_are_there() -> None:
    factors = np.where(HOT > 0, [1.0, 2.0, 3.0, 4.0], 1.0)
    assert value(BCELoss(4, pos_weight=[1, 2, 3, 4]), HOT) == pytest.approx((factors * ENTROPIES).mean(), rel=1e-6)
    assert value(BCELoss(4, pos_weight=3), HOT) == value(BCELoss(4, pos_weight=[3.0] * 4), HOT)


@pytest.mark.parametrize(
    "loss", [MultiLabelLoss(), MultiLabelAsymmetricLoss(reduction="mean"), FocalLoss(), BCELoss(4)]
)
def test_low_precision_logits_are_computed_in_float32_and_means_add_up(loss: Loss) -> None:
    rounded = paddle.to_tensor(LOGITS).astype("bfloat16").astype("float32")
    assert value(loss, HOT, "bfloat16") == float(loss(rounded, paddle.to_tensor(HOT)))
    parts = [slice(0, 4), slice(4, 6)]
    total = sum(
        float(loss(paddle.to_tensor(LOGITS[part]), paddle.to_tensor(HOT[part]))) * len(HOT[part]) for part in parts
    )
    assert total / 6 == pytest.approx(value(loss, HOT), rel=1e-6)


@pytest.mark.parametrize(
    "loss",
    [
        MultiLabelLoss(),
        MultiLabelAsymmetricLoss(),
        MultiLabelAsymmetricLoss(gamma_pos=0, disable_focal_loss_grad=False),
        FocalLoss(),
        FocalLoss(gamma=0.5),
        BCELoss(2),
    ],
)
def test_certain_answers_right_or_wrong_have_finite_losses_and_gradients(loss: Loss) -> None:
    logits = paddle.to_tensor([[200.0, -200.0], [-200.0, 200.0]], stop_gradient=False)
    found = loss(logits, paddle.to_tensor([[1.0, 0.0], [1.0, 0.0]]))
    found.backward()
    assert np.isfinite(float(found)) and np.isfinite(logits.grad.numpy()).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MultiLabelAsymmetricLoss(clip=1.0), "clip: out of range; received 1.0"),
        (lambda: MultiLabelAsymmetricLoss(gamma_neg=-1), "gamma_pos, gamma_neg: negative"),
        (lambda: FocalLoss(gamma=-1), "gamma: negative; received -1"),
        (lambda: FocalLoss(alpha=1.0), "alpha: out of range; received 1.0"),
        (lambda: BCELoss(4, target_threshold=1.0), "target_threshold: out of range; received 1.0"),
        (lambda: BCELoss(4, pos_weight=[1.0, 2.0]), "pos_weight: must be a number, or 4 of them, none negative"),
    ],
)
def test_values_out_of_range_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_the_focal_gradient_is_that_of_the_formula() -> None:
    logits = paddle.to_tensor(LOGITS, stop_gradient=False)
    FocalLoss(gamma=0, alpha=0.5)(logits, paddle.to_tensor(HOT)).backward()
    np.testing.assert_allclose(logits.grad.numpy(), 0.5 * (F.sigmoid(logits).numpy() - HOT) / 6, atol=1e-7)
