"""Re-ranking by common neighbours. Source: arXiv 1701.08398, section 3."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
# Neighbours that count, neighbours that a vector is averaged over, and the share of the plain distance.
K1, K2, PLAIN = 20, 6, 0.3


def reranked(query: Floats, gallery: Floats) -> Floats:
    """Return distances [Q, G] of features [Q, K] and [G, K]; the memory is that of (Q + G)^2 numbers."""
    features, num_queries = np.concatenate([query, gallery]), len(query)
    squares = (features**2).sum(axis=1)
    distances = np.maximum(squares[:, None] + squares - 2 * features @ features.T, 0)
    distances /= distances.max(axis=1, keepdims=True).clip(1e-12)
    nearest = np.argsort(distances, axis=1, kind="stable")[:, : K1 + 1]
    vectors = _neighbourhoods(distances, nearest)
    vectors = np.stack([vectors[near].mean(axis=0) for near in nearest[:, :K2]])
    jaccard = np.stack([_jaccard(vector, vectors[num_queries:]) for vector in vectors[:num_queries]])
    mixed: Floats = (1 - PLAIN) * jaccard + PLAIN * distances[:num_queries, num_queries:]
    return mixed


def _neighbourhoods(distances: Floats, nearest: NDArray[np.int64]) -> Floats:
    """Return for each image the weights of its reciprocal neighbours, and of those that most of them share."""
    half = round(K1 / 2)
    mutual = [_reciprocal(row, nearest) for row in range(len(nearest))]
    halves = [_reciprocal(row, nearest[:, : half + 1]) for row in range(len(nearest))]
    vectors = np.zeros_like(distances)
    for row, members in enumerate(mutual):
        wider = [halves[member] for member in members]
        joined = [near for near in wider if len(np.intersect1d(near, members)) > 2 / 3 * len(near)]
        near = np.unique(np.concatenate([members, *joined]))
        weights = np.exp(-distances[row, near])
        vectors[row, near] = weights / weights.sum()
    return vectors


def _reciprocal(row: int, nearest: NDArray[np.int64]) -> NDArray[np.int64]:
    near = nearest[row]
    mutual: NDArray[np.int64] = near[(nearest[near] == row).any(axis=1)]
    return mutual


def _jaccard(vector: Floats, others: Floats) -> Floats:
    shared = np.minimum(vector, others).sum(axis=1)
    distances: Floats = 1 - shared / (2 - shared)
    return distances
