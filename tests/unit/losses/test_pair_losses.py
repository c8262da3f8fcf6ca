"""Losses on pairs of images: what they ask for, that they get it, and batches without partners."""

from typing import Any

import numpy as np
import paddle
import pytest

from ppcls.batch import Batch
from ppcls.errors import ConfigError
from ppcls.losses import LOSSES
from ppcls.losses.base import Loss
from ppcls.losses.contrastive import ContrastiveLoss, SupConLoss
from ppcls.losses.triplet import TripletLossV2
from ppcls.registry import Part

ARGUMENTS: dict[str, dict[str, Any]] = {
    "TripletLossV2": {},
    "TripletAngularMarginLoss": {"add_absolute": True},
    "ContrastiveLoss": {"margin": 0.5},
    "SupConLoss": {},
    "PairwiseCosface": {"margin": 0.35, "gamma": 64.0},
    "DSHSDLoss": {"alpha": 0.05},
    "LCDSHLoss": {"_lambda": 3.0},
    "DCHLoss": {"gamma": 20.0, "_lambda": 0.1},
}
LABELS = np.array([0, 1, 2, 0, 1, 2])
RNG = np.random.default_rng(0)


def made(name: str) -> Loss:
    loss: Loss = LOSSES.build(Part(name, ARGUMENTS[name]))
    return loss


def value(loss: Loss, features: Any, labels: Any, **outputs: paddle.Tensor) -> paddle.Tensor:
    features = (
        paddle.to_tensor(np.asarray(features, "float32")) if not isinstance(features, paddle.Tensor) else features
    )
    given = {"logits": paddle.zeros([len(features), 3]), "features": features, **outputs}
    return loss.of(given, Batch(features, paddle.to_tensor(np.asarray(labels))))


@pytest.mark.parametrize("name", list(ARGUMENTS))
def test_features_trained_with_a_loss_tell_classes_apart(name: str) -> None:
    loss = made(name)
    features = paddle.to_tensor(RNG.standard_normal((6, 8)).astype("float32"), stop_gradient=False)
    optimizer = paddle.optimizer.Adam(0.05, parameters=[features])
    before = float(value(loss, features, LABELS))
    for _ in range(60):
        value(loss, features, LABELS).backward()
        optimizer.step()
        optimizer.clear_grad()
    assert float(value(loss, features, LABELS)) < before
    unit = features.numpy() / np.linalg.norm(features.numpy(), axis=1, keepdims=True)
    cosines, together = unit @ unit.T, LABELS[:, None] == LABELS
    assert cosines[together].min() > cosines[~together].max()


@pytest.mark.parametrize("name", list(ARGUMENTS))
@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 2], [1, 1, 2]], ids=["all alike", "no two alike", "one alone"])
def test_batches_without_partners_have_finite_losses_and_gradients(name: str, labels: list[int]) -> None:
    features = paddle.to_tensor(RNG.standard_normal((3, 8)).astype("float32"), stop_gradient=False)
    found = value(made(name), features, labels)
    found.backward()
    assert np.isfinite(float(found)) and np.isfinite(features.grad.numpy()).all()


def test_triplets_are_the_hardest_ones() -> None:
    # Of class 0 at 0 and 1, of class 1 at 3 and 3.5 on a line: too near by 1 + 2.5 - 3 for the second one alone.
    features = [[0.0], [1.0], [3.0], [3.5]]
    loss = TripletLossV2(margin=1.5, normalize_feature=False)
    hinges = [max(0, 1 - 3 + 1.5), max(0, 1 - 2 + 1.5), max(0, 0.5 - 2 + 1.5), max(0, 0.5 - 2.5 + 1.5)]
    assert float(value(loss, features, [0, 0, 1, 1])) == pytest.approx(np.mean(hinges), rel=1e-5)


def test_contrastive_pairs_pull_and_push() -> None:
    features = [[1.0, 0.0], [0.6, 0.8], [0.8, 0.6]]
    # Together 0.6; the third has 0.8 and 0.96 with the others, which are above the margin.
    expected = ((0.4 + 0.8) + (0.4 + 0.96) + (0.8 + 0.96)) / 3
    assert float(value(ContrastiveLoss(margin=0.7), features, [0, 0, 1])) == pytest.approx(expected, rel=1e-5)


def test_supervised_contrast_is_the_cross_entropy_of_picking_a_partner() -> None:
    features = RNG.standard_normal((4, 3))
    similar = features @ features.T / 0.5
    np.fill_diagonal(similar, -np.inf)
    shares = similar - np.log(np.exp(similar).sum(axis=1, keepdims=True))
    expected = -np.mean([shares[0, 1], shares[1, 0], shares[2, 3], shares[3, 2]])
    loss = SupConLoss(temperature=0.5, normalize_feature=False)
    assert float(value(loss, features, [5, 5, 7, 7])) == pytest.approx(expected, rel=1e-5)


def test_an_output_that_the_model_does_not_give_is_named() -> None:
    loss = TripletLossV2(feature_from="backbone")
    with pytest.raises(ConfigError, match="feature_from: the model gives no 'backbone' but logits, features; choose"):
        value(loss, [[1.0], [2.0]], [0, 1])


def test_a_temperature_must_be_positive() -> None:
    with pytest.raises(ValueError, match="temperature: not positive; received 0"):
        SupConLoss(temperature=0)
