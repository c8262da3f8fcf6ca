"""Losses on pairs of images: what they ask for, that they get it, and batches without partners."""

from typing import Any

import numpy as np
import paddle
import pytest

from ppcls.batch import Batch
from ppcls.errors import ConfigError
from ppcls.losses import LOSSES
from ppcls.losses.base import Loss
from ppcls.losses.center import CenterLoss
from ppcls.losses.contrastive import ContrastiveLoss, SupConLoss
from ppcls.losses.memory import ContrastiveLoss_XBM, Memory
from ppcls.losses.npairs import EmlLoss, NpairsLoss
from ppcls.losses.triplet import MSMLoss, TriHardLoss, TripletLossV2
from ppcls.registry import Facts, Part

MEMORY = {"embedding_size": 8, "start_iter": 0, "xbm_size": 8, "xbm_weight": 1.0}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "TripletLossV2": {},
    "TripletAngularMarginLoss": {"add_absolute": True},
    "ContrastiveLoss": {"margin": 0.5},
    "SupConLoss": {},
    "PairwiseCosface": {"margin": 0.35, "gamma": 64.0},
    "TripletLoss": {},
    "TriHardLoss": {"margin": 0.5},
    "MSMLoss": {"margin": 0.5},
    "EmlLoss": {},
    "CenterLoss": {"num_classes": 3, "feat_dim": 8},
    "ContrastiveLoss_XBM": {"margin": 0.5, **MEMORY},
    "TripletAngularMarginLoss_XBM": MEMORY,
    "DSHSDLoss": {"alpha": 0.05},
    "LCDSHLoss": {"_lambda": 3.0},
    "DCHLoss": {"gamma": 20.0, "_lambda": 0.1},
}
LABELS = np.array([0, 1, 2, 0, 1, 2])
RNG = np.random.default_rng(0)


def made(name: str) -> Loss:
    loss: Loss = LOSSES.build(Part(name, ARGUMENTS[name]), Facts(world_size=1))
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
    weights = loss.parameters() if isinstance(loss, paddle.nn.Layer) else []
    optimizer = paddle.optimizer.Adam(0.05, parameters=[features, *weights])
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


def test_the_hardest_pair_of_a_batch_alone_counts_for_msm_and_of_each_image_for_trihard() -> None:
    angles = np.array([0.0, 0.5, 1.2, 1.4])
    features = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    squares = 2 - 2 * np.cos(angles[:, None] - angles)
    hinges = [squares[0, 1] - squares[0, 2], squares[0, 1] - squares[1, 2], squares[2, 3] - squares[1, 2]]
    hinges.append(squares[2, 3] - squares[1, 3])
    labels, margin = [0, 0, 1, 1], 0.4
    trihard = np.maximum(np.array(hinges) + margin, 0).mean()
    assert float(value(TriHardLoss(margin=margin), features, labels)) == pytest.approx(trihard, rel=1e-4)
    msm = squares[0, 1] + margin - squares[1, 2]
    assert float(value(MSMLoss(margin=margin), features, labels)) == pytest.approx(msm, rel=1e-4)


def test_n_pairs_pick_the_partner_among_all_partners() -> None:
    features = RNG.standard_normal((5, 3))
    products = features[[0, 2]] @ features[[1, 3]].T
    picks = np.mean(np.log(np.exp(products).sum(axis=1)) - products.diagonal())
    expected = picks + 0.5 * 0.1 * (features**2).sum(axis=1).mean()
    assert float(value(NpairsLoss(reg_lambda=0.1), features, [4, 4, 2, 2, 1])) == pytest.approx(expected, rel=1e-5)
    assert np.isfinite(float(value(NpairsLoss(), features[:1], [4])))


def test_ensemble_metric_learning_is_the_log_of_both_means() -> None:
    features = RNG.standard_normal((4, 3))
    squares = ((features[:, None] - features) ** 2).sum(axis=2)
    near = np.exp([squares[0, 1], squares[1, 0], squares[2, 3], squares[3, 2]])
    far = np.exp(-squares[[[0], [1], [2], [3]], [[2, 3], [2, 3], [0, 1], [0, 1]]]).mean(axis=1)
    expected = np.mean(np.log1p(1e5 * near * far)) / np.log1p(1e5)
    assert float(value(EmlLoss(), features, [7, 7, 3, 3])) == pytest.approx(expected, rel=1e-5)


def test_centers_are_weights_that_move_to_their_class() -> None:
    loss = CenterLoss(num_classes=2, feat_dim=2)
    features = np.array([[1.0, 0.0], [3.0, 0.0], [0.0, 5.0]])
    optimizer = paddle.optimizer.SGD(0.5, parameters=loss.parameters())
    for _ in range(60):
        value(loss, features, [0, 0, 1]).backward()
        optimizer.step()
        optimizer.clear_grad()
    np.testing.assert_allclose(loss.centers.numpy(), [[2, 0], [0, 5]], atol=1e-3)
    assert float(value(loss, features, [0, 0, 1])) == pytest.approx(2 / 3, abs=1e-3)


def test_a_memory_takes_the_newest_images_from_its_batch_on_and_is_in_the_state() -> None:
    size = Memory(embedding_size=2, xbm_size=3, xbm_weight=0.5, start_iter=1)
    loss = ContrastiveLoss_XBM(1, size, margin=0.2, normalize_feature=False)
    plain = ContrastiveLoss(margin=0.2, normalize_feature=False)
    batches = [RNG.standard_normal((2, 2)).astype("float32") / 2 for _ in range(3)]
    assert float(value(loss, batches[0], [0, 1])) == float(value(plain, batches[0], [0, 1]))
    value(loss, batches[1], [0, 1])
    again = ContrastiveLoss_XBM(1, size, margin=0.2, normalize_feature=False)
    again.set_state_dict(loss.state_dict())
    kept = np.concatenate([batches[1], batches[2]])[1:]
    own, labels = paddle.to_tensor(batches[2]), paddle.to_tensor([1, 0])
    memory = plain.between(own, labels, paddle.to_tensor(kept), paddle.to_tensor([1, 1, 0]))
    expected = float(value(plain, batches[2], [1, 0])) + 0.5 * float(memory)
    assert float(value(again, batches[2], [1, 0])) == pytest.approx(expected, rel=1e-5)


def test_a_memory_is_refused_on_several_ranks_and_for_batches_that_it_cannot_hold() -> None:
    with pytest.raises(ConfigError, match="it keeps the memory of one rank; received 2; train on one, or use another"):
        LOSSES.build(Part("TripletAngularMarginLoss_XBM", MEMORY), Facts(world_size=2))
    loss = LOSSES.build(Part("TripletAngularMarginLoss_XBM", MEMORY), Facts(world_size=1))
    with pytest.raises(ConfigError, match="must hold a batch of .2, 4."):
        value(loss, RNG.standard_normal((2, 4)), [0, 1])
