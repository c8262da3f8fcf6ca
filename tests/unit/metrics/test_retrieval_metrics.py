"""Metrics of retrieval: what a query finds, whoever counted which images."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import paddle
import pytest

from ppcls.batch import Batch
from ppcls.metrics.rerank import reranked
from ppcls.metrics.retrieval import KNOWN, Compared, Precisionk, Recallk, Retrieval, mAP, mINP

RNG = np.random.default_rng(0)


def metric(*, rerank: bool = False, **options: Any) -> Retrieval:
    measures = [Recallk(topk=[1, 2]), mAP(), mINP(), Precisionk(topk=[2])]
    return Retrieval(measures, Compared(**options), rerank=rerank)


def count(of: Retrieval, features: Any, rows: Any) -> None:
    """Count images; `rows` are of_query, identity, camera and image."""
    columns = np.asarray(rows).T
    extra = {name: paddle.to_tensor(column) for name, column in zip(KNOWN, columns)}
    tensor = paddle.to_tensor(np.asarray(features, "float32"))
    of.update({"features": tensor}, Batch(tensor, extra["identity"], extra))


def values(features: Any, rows: Any, **options: Any) -> dict[str, float]:
    counted = metric(**options)
    count(counted, features, rows)
    return counted.compute(counted.state())


def at(*angles: float) -> np.ndarray:
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def test_the_numbers_are_those_of_the_order_by_the_cosine() -> None:
    # The query at 0 finds a stranger, its own, a stranger and its own.
    rows = [[1, 7, -1, 0], [0, 3, -1, 1], [0, 7, -1, 2], [0, 4, -1, 3], [0, 7, -1, 4]]
    found = values(at(0, 0.1, 0.2, 0.3, 0.4) * [[1], [9], [1], [9], [1]], rows)
    expected = {"recall1": 0, "recall2": 1, "mAP": (1 / 2 + 2 / 4) / 2, "mINP": 2 / 3, "precision2": 1 / 2}
    assert found == pytest.approx(expected)


def test_an_image_does_not_find_itself_nor_its_identity_by_its_own_camera() -> None:
    rows = [[1, 7, 2, 0], [0, 7, 2, 0], [0, 7, 2, 1], [0, 3, 2, 2], [0, 7, 5, 3]]
    assert values(at(0, 0, 0.1, 0.2, 0.3), rows)["recall1"] == 0
    assert values(at(0, 0, 0.1, 0.3, 0.2), rows)["recall1"] == 1


def test_queries_without_a_hit_in_the_gallery_do_not_count() -> None:
    rows = [[1, 7, -1, 0], [1, 9, -1, 1], [0, 7, -1, 2], [0, 3, -1, 3]]
    assert values(at(0, 0.5, 0.1, 0.6), rows)["recall1"] == 1
    assert values(at(0, 0.5), [[1, 7, -1, 0], [0, 3, -1, 2]])["recall1"] == 0


def test_bits_are_compared_where_they_are_wanted() -> None:
    features = [[0.9, 0.6], [0.9, -0.1], [0.3, 0.6]]
    rows = [[1, 1, -1, 0], [0, 2, -1, 1], [0, 1, -1, 2]]
    assert values(features, rows, normalize=False)["recall1"] == 0
    assert values(features, rows, normalize=False, binarize="sign")["recall1"] == 1


@pytest.mark.parametrize("num_ranks", [1, 2, 3])
def test_any_number_of_ranks_gives_the_same_to_the_last_bit(num_ranks: int) -> None:
    features, num = RNG.standard_normal((40, 6)), 40
    rows = np.stack([np.arange(num) < 12, RNG.integers(0, 5, num), RNG.integers(0, 2, num), np.arange(num)], axis=1)
    ranks: Sequence[Retrieval] = [metric() for _ in range(num_ranks)]
    for start in range(0, num, 4):
        part = slice(start, start + 4)
        count(ranks[start // 4 % num_ranks], features[part], rows[part])
    states = [rank.state() for rank in (*ranks, metric())]  # the last rank saw nothing
    assert metric().compute(Retrieval.merged(states)) == values(features, rows)


def test_re_ranking_prefers_those_with_the_same_neighbours() -> None:
    centers = np.repeat(np.eye(3), 12, axis=0) * 3
    features = (centers + RNG.standard_normal(centers.shape)).astype("float32")
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    identity = np.repeat([0, 1, 2], 12)
    query = np.arange(36) % 12 < 3
    rows = np.stack([query, identity, np.full(36, -1), np.arange(36)], axis=1)
    assert values(features, rows, rerank=True)["mAP"] >= values(features, rows)["mAP"]
    distances = reranked(features[query], features[~query])
    assert distances.shape == (9, 27) and np.isfinite(distances).all()
