"""What of an index is most like an image: all of it is compared, so that nothing is missed."""

import importlib
from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ppcls.errors import ConfigError
from ppcls.inference.features import Features, Floats

IndexEngine = Literal["numpy", "faiss"]
# So many images are compared with the index at a time.
CHUNK = 256


class Neighbour(NamedTuple):
    """An image of the index, its label ("" for none), and its product with the image that is searched for."""

    name: str
    label: str
    score: float

    def __str__(self) -> str:
        return " ".join(filter(None, (self.name, self.label, f"{self.score:.4f}")))


class Search:
    """Finds the most similar images of an index. `faiss` is faster for millions, and needs the extra `index`.

    Raises ConfigError where the engine is not installed.
    """

    def __init__(self, index: Features, engine: IndexEngine = "numpy") -> None:
        self.index = index
        self._faiss = None
        if engine == "faiss":
            try:
                faiss = importlib.import_module("faiss")
            except ModuleNotFoundError as error:
                raise ConfigError(
                    "--index-engine: faiss is not installed; it is an extra; pip install 'ppcls[index]'"
                ) from error
            self._faiss = faiss.IndexFlatIP(index.rows.shape[1])
            self._faiss.add(np.ascontiguousarray(index.rows))

    def nearest(self, rows: Floats, topk: int) -> Iterator[list[Neighbour]]:
        """Yield for each row the `topk` images of the highest products with it, the best first."""
        topk = min(topk, len(self.index.names))
        for start in range(0, len(rows), CHUNK):
            for places, scores in self._best(rows[start : start + CHUNK], topk):
                yield [
                    Neighbour(self.index.names[place], self.index.labels[place], score)
                    for place, score in zip(places.tolist(), scores.tolist())
                ]

    def _best(self, rows: Floats, topk: int) -> Iterator[tuple[NDArray[np.int64], Floats]]:
        """Yield the places of the best and their products with each row; of equal ones, the first in the index."""
        if not topk:
            yield from [(np.zeros(0, np.int64), np.zeros(0, np.float32))] * len(rows)
        elif self._faiss is not None:
            for scores, places in zip(*self._faiss.search(np.ascontiguousarray(rows), topk)):
                order = np.lexsort((places, -scores))
                yield places[order], scores[order]
        else:
            for alike in rows @ self.index.rows.T:
                least = np.partition(alike, -topk)[-topk]
                places = np.flatnonzero(alike >= least)
                best = places[np.argsort(-alike[places], kind="stable")][:topk]
                yield best, alike[best]
