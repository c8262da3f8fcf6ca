"""Images that look the same: found by hashes of how they look, in far less than all pairs' time.

A hash has 128 bits: whether each cell of an 8x8 grid is brighter than its neighbour, along both axes. It hardly
changes when an image is resized, saved again at a lower quality, made brighter or grey; it does by cropping and
mirroring.
Source: the difference hash of N. Krawetz, "Kind of Like That" (hackerfactor.com, 2013).
"""

import itertools
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

# Of 128 bits. Of images saved again at JPEG quality 30, or shrunk to 0.3, 98 % stay within; two different
# photographs of Imagenette differ in 16 or more (1.6 million pairs).
MOST_BITS = 8
# Then thumbnails must agree: 0.99 and more for the changes above; unlike images seldom reach 0.9.
LEAST_CORRELATION = 0.95
THUMB_PX = 16

_CHUNKS_A_WORD = 5
# What bounds time and memory where very many look alike: how many neighbours are compared, how many pairs are kept of
# an image with later ones, and how many pairs are worked on at once.
_LARGEST_STEP, _MOST_PAIRS, _AT_ONCE = 500, 8, 1 << 16
_ONES = np.array([bin(value).count("1") for value in range(1 << 16)], np.uint8)

Hashes = NDArray[np.uint64]
Indices = NDArray[np.int64]


def looks(grey: NDArray[np.uint8]) -> Hashes:
    """Return the hash of a grey image: two words of 64 bits."""
    rows = cv2.resize(grey, (9, 8), interpolation=cv2.INTER_AREA)
    columns = cv2.resize(grey, (8, 9), interpolation=cv2.INTER_AREA)
    bits = np.concatenate([(rows[:, 1:] > rows[:, :-1]).ravel(), (columns[1:] > columns[:-1]).ravel()])
    words: Hashes = np.packbits(bits).view(np.uint64)
    return words


def thumbnail(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a grey image as 256 levels."""
    small: NDArray[np.uint8] = cv2.resize(grey, (THUMB_PX, THUMB_PX), interpolation=cv2.INTER_AREA).ravel()
    return small


def agreeing(thumbs: NDArray[np.uint8], pairs: Indices) -> NDArray[np.bool_]:
    """Return which of the pairs [P, 2] of thumbnails show the same."""
    correlations = np.empty(len(pairs), np.float32)
    for start in range(0, len(pairs), _AT_ONCE):
        left, right = (_standardized(thumbs[numbers]) for numbers in pairs[start : start + _AT_ONCE].T)
        correlations[start : start + _AT_ONCE] = np.einsum("ij,ij->i", left, right)
    return correlations >= LEAST_CORRELATION


def _standardized(thumbs: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return thumbnails of mean 0 and norm 1; the product of two of them is their correlation."""
    numbers: NDArray[np.float32] = thumbs.astype(np.float32) - thumbs.mean(axis=1, keepdims=True, dtype=np.float32)
    numbers /= np.maximum(np.linalg.norm(numbers, axis=1, keepdims=True), 1e-6)
    return numbers


def same_pairs(digests: NDArray[np.uint64], members: Indices) -> Indices:
    """Return pairs [P, 2] of `members` that join all those of one digest."""
    order = members[np.argsort(digests[members], kind="stable")]
    neighbours = np.stack([order[:-1], order[1:]], axis=1)
    pairs: Indices = neighbours[digests[neighbours[:, 0]] == digests[neighbours[:, 1]]]
    return pairs


def near_pairs(hashes: Hashes, members: Indices) -> Indices:
    """Return the pairs [P, 2] of `members` whose hashes differ in at most MOST_BITS bits.

    Cut into 10 chunks, two such hashes have at least 2 equal ones. So it is enough to compare those that agree on
    some two chunks: they are neighbours once sorted by these, 45 times. Where more than 500 agree, not all are
    compared, and each is paired with at most 8 later ones, which joins them all the same.
    """
    words = hashes[members]
    codes = np.empty(0, np.int64)  # of pairs: first * len(members) + second
    for first, second in itertools.combinations(list(_chunks(words)), 2):
        keys = first << np.uint32(13) | second
        order = np.argsort(keys, kind="stable")
        codes = np.unique(np.concatenate([codes, *_near_neighbours(keys[order], words, order)]))
        firsts = codes // len(members)
        codes = codes[np.arange(len(codes)) - np.searchsorted(firsts, firsts) < _MOST_PAIRS]
    pairs: Indices = members[np.stack(np.divmod(codes, max(1, len(members))), axis=1)]
    return pairs


def _near_neighbours(keys: NDArray[np.uint32], words: Hashes, order: Indices) -> Iterator[Indices]:
    """Yield the codes of near pairs whose `keys`, which are sorted, are equal."""
    left, pairs_of = np.arange(len(keys)), np.zeros(len(keys), np.uint8)
    for step in range(1, _LARGEST_STEP):
        left = left[left < len(keys) - step]
        left = left[(keys[left] == keys[left + step]) & (pairs_of[left] < _MOST_PAIRS)]
        if not len(left):
            return
        one, other = order[left], order[left + step]
        near = _distance(words[one], words[other]) <= MOST_BITS
        pairs_of[left[near]] += 1
        yield one[near] * len(keys) + other[near]


def _chunks(words: Hashes) -> Iterator[NDArray[np.uint32]]:
    """Yield the 10 chunks of 12 or 13 bits."""
    starts = [place * 64 // _CHUNKS_A_WORD for place in range(_CHUNKS_A_WORD + 1)]
    for word in words.T:
        for start, end in zip(starts, starts[1:]):
            yield (word >> np.uint64(start) & np.uint64((1 << end - start) - 1)).astype(np.uint32)


def _distance(one: Hashes, other: Hashes) -> NDArray[np.int64]:
    ones: NDArray[np.int64] = _ONES[(one ^ other).view(np.uint16)].sum(axis=1)
    return ones


class Groups:
    """Indices that are joined, directly or over others."""

    def __init__(self, count: int) -> None:
        self._parent = np.arange(count, dtype=np.int32)

    def first(self, index: int) -> int:
        """Return the representative of a group, its smallest index."""
        parent = self._parent
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = int(parent[index])
        return index

    def join(self, pairs: Indices) -> None:
        """Make one group of those of the two indices of each pair [P, 2]."""
        for start in range(0, len(pairs), _AT_ONCE):
            for one, other in pairs[start : start + _AT_ONCE].tolist():
                one, other = self.first(one), self.first(other)
                self._parent[max(one, other)] = min(one, other)

    def members(self) -> list[list[int]]:
        """Return the groups of more than one, each sorted."""
        joined = np.flatnonzero(self._parent != np.arange(len(self._parent)))
        groups: dict[int, list[int]] = {}
        for index in joined.tolist():
            groups.setdefault(self.first(index), []).append(index)
        return [[first, *others] for first, others in sorted(groups.items())]
