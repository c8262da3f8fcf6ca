"""Metrics of retrieval: queries, each with its gallery in the order of how similar it is."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Optional

import numpy as np
import paddle
from numpy.typing import NDArray
from paddle.nn import functional as F

from ppcls.batch import Batch, LabelKind, Outputs
from ppcls.errors import ConfigError
from ppcls.metrics.base import RowMetric, State, mean_of
from ppcls.metrics.rerank import reranked

Floats = NDArray[np.float32]
# What is known of an image beside its features; cameras are -1 where they are unknown.
KNOWN = ("of_query", "identity", "camera", "image")
# So many queries are compared with the gallery at a time.
CHUNK = 256


class Measure(ABC):
    """A number for each query; the value is their mean."""

    takes = frozenset({LabelKind.IDENTITIES})
    names: Mapping[str, Literal["max", "min"]]

    @abstractmethod
    def of(self, hits: NDArray[np.bool_]) -> Sequence[float]:
        """Return a number for each of the `names`; `hits` are a query's gallery, the most similar image first."""


class Recallk(Measure):
    """How often there is a hit among the first k images, as `recall1` and so on."""

    def __init__(self, *, topk: Sequence[int] = (1, 5)) -> None:
        self.topk = _positive(topk)
        self.names = {f"recall{k}": "max" for k in topk}

    def of(self, hits: NDArray[np.bool_]) -> Sequence[float]:
        return [float(hits[:k].any()) for k in self.topk]


class Precisionk(Measure):
    """The share of hits among the first k images, as `precision1` and so on."""

    def __init__(self, *, topk: Sequence[int] = (1, 5)) -> None:
        self.topk = _positive(topk)
        self.names = {f"precision{k}": "max" for k in topk}

    def of(self, hits: NDArray[np.bool_]) -> Sequence[float]:
        return [float(hits[:k].sum() / k) for k in self.topk]


class mAP(Measure):  # noqa: N801  # as YAMLs have it
    """The average precision: the mean over a query's hits of the share of hits up to each of them."""

    names = {"mAP": "max"}

    def of(self, hits: NDArray[np.bool_]) -> Sequence[float]:
        places = np.flatnonzero(hits)
        return [float(((np.arange(len(places)) + 1) / (places + 1)).mean())]


class mINP(Measure):  # noqa: N801
    """The share of hits up to a query's last one. Source: arXiv 2001.04193, equation 5.

    Its place is counted from 0, as PaddleClas does, which raises the value a little; it is at most 1.
    """

    names = {"mINP": "max"}

    def of(self, hits: NDArray[np.bool_]) -> Sequence[float]:
        places = np.flatnonzero(hits)
        return [min(1.0, float(len(places) / max(places[-1], 1)))]


def _positive(topk: Sequence[int]) -> Sequence[int]:
    if not topk or min(topk) < 1:
        raise ValueError(f"topk: must be numbers of at least 1; received {list(topk)}")
    return topk


@dataclass(frozen=True)
class Compared:
    """From a model's outputs to float32 [N, D], whose products say how alike images are.

    That is the cosine of their features, without `normalize` their product; `binarize` takes signs of the features, or
    rounds those of 0 to 1 to bits.
    """

    source: str = "features"
    normalize: bool = True
    binarize: Optional[Literal["round", "sign"]] = None

    def __call__(self, outputs: Outputs) -> paddle.Tensor:
        if self.source not in outputs:
            raise ConfigError(
                f"Global.retrieval_feature_from: the model gives no '{self.source}' but {', '.join(outputs)}"
            )
        features = outputs[self.source].flatten(1).astype("float32")
        features = F.normalize(features, axis=1) if self.normalize else features
        if self.binarize is not None:
            features = features.sign() if self.binarize == "sign" else features.round() * 2 - 1
        return features


class Retrieval(RowMetric):
    """All `measures` of one evaluation, over the queries that have a hit in the gallery at all.

    Not in the gallery of a query are the image itself, and images of its identity by its camera.
    """

    def __init__(
        self,
        measures: Sequence[Measure],
        compared: Compared = Compared(),
        *,
        rerank: bool = False,
    ) -> None:
        self.measures, self.compared, self.rerank = measures, compared, rerank
        self.names = {name: way for measure in measures for name, way in measure.names.items()}
        super().__init__({"features": 1, **dict.fromkeys(KNOWN, 0)})

    def rows(self, outputs: Outputs, batch: Batch) -> Mapping[str, paddle.Tensor]:
        return {"features": self.compared(outputs), **{name: batch.extra[name] for name in KNOWN}}

    def compute(self, state: State) -> dict[str, float]:
        # In one order, whoever counted what.
        order = np.lexsort([state["image"], state["of_query"]])
        ordered = {name: values[order] for name, values in state.items()}
        found = [
            [value for measure in self.measures for value in measure.of(hits)]
            for hits in _ranked(ordered, rerank=self.rerank)
        ]
        columns = np.array(found).reshape(-1, len(self.names)).T
        return {name: mean_of(column) for name, column in zip(self.names, columns)}


def _ranked(state: State, *, rerank: bool) -> Iterator[NDArray[np.bool_]]:
    """Yield the hits of each query that has any, without what is not in its gallery."""
    asks = state["of_query"] > 0
    query, gallery = ({name: values[of] for name, values in state.items()} for of in (asks, ~asks))
    distances = reranked(query["features"], gallery["features"]) if rerank else None
    for start in range(0, len(query["image"]), CHUNK):
        part = slice(start, start + CHUNK)
        same = query["identity"][part, None] == gallery["identity"]
        camera = query["camera"][part, None]
        out = (query["image"][part, None] == gallery["image"]) | (same & (camera >= 0) & (camera == gallery["camera"]))
        far = -(query["features"][part] @ gallery["features"].T) if distances is None else distances[part]
        for row in range(len(far)):
            order = np.argsort(far[row], kind="stable")
            hits = same[row, order][~out[row, order]]
            if hits.any():
                yield hits
