"""Classifiers in closed form: ridge regression, from statistics that images can join and leave."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ppcls.errors import CheckpointError, ConfigError, DataError
from ppcls.files import UNREADABLE_NPZ, replacing

Array = NDArray[np.float64]

# Strengths of the regularisation that are tried, as parts of the mean eigenvalue of the features' scatter.
STRENGTHS = tuple(10.0**power for power in range(-5, 3))
SCALES = tuple(2.0 ** (power / 2) for power in range(0, 15))  # of the answers, as logits


class Head(NamedTuple):
    """A classifier: logits are features [N, width] @ weight [width, classes] + bias [classes]."""

    weight: Array
    bias: Array


@dataclass(frozen=True)
class Settings:
    """What leave-one-out has chosen: the strength of the regularisation, and the scale that makes logits of answers."""

    strength: float
    scale: float


@dataclass(frozen=True)
class Statistics:
    """All that a ridge regression needs to know of its images, class by class, and its settings.

    `factors`: for each class a matrix R [rows, width] with R'R = X'X for its features X: X itself, or, where it has
    more rows than columns, the triangle of its QR decomposition. `sums` [classes, width], `counts` [classes].
    """

    class_names: Sequence[str]
    factors: Sequence[Array]
    sums: Array
    counts: Array
    settings: Settings

    def head(self) -> Head:
        """Return the classifier that fits these images best, in least squares with regularised weights."""
        scatter = np.sum([factor.T @ factor for factor in self.factors], axis=0)
        total = self.counts.sum()
        mean, shares = self.sums.sum(axis=0) / total, self.counts / total
        centred = scatter - total * np.outer(mean, mean)
        targets = self.sums.T - total * np.outer(mean, shares)
        weight = np.linalg.solve(_regularised(centred, self.settings.strength), targets)
        return _as_logits(weight, shares - mean @ weight, self.settings.scale, several=False)

    def with_images(self, name: str, features: NDArray[np.floating[Any]]) -> "Statistics":
        """Return those with more images of a class, which may be a new one."""
        own = features.astype(np.float64)
        if not len(own):
            raise DataError(f"{name}: no images; give some")
        if name not in self.class_names:
            width = self.sums.shape[1]
            return replace(
                self,
                class_names=[*self.class_names, name],
                factors=[*self.factors, _factor(own)],
                sums=np.concatenate([self.sums, own.sum(axis=0).reshape(1, width)]),
                counts=np.append(self.counts, len(own)),
            )
        place = list(self.class_names).index(name)
        factors, sums, counts = list(self.factors), self.sums.copy(), self.counts.copy()
        factors[place] = _factor(np.concatenate([factors[place], own]))
        sums[place] += own.sum(axis=0)
        counts[place] += len(own)
        return replace(self, factors=factors, sums=sums, counts=counts)

    def without(self, name: str) -> "Statistics":
        """Return those without the images of a class. Raises ConfigError for an unknown one, or one of two."""
        known = ", ".join(self.class_names)
        if name not in self.class_names:
            raise ConfigError(f"class: there is no '{name}'; the model has {known}")
        if len(self.class_names) < 3:
            raise ConfigError(f"class: can't be removed; received '{name}' of {known}; two must stay")
        keep = [place for place, known in enumerate(self.class_names) if known != name]
        return replace(
            self,
            class_names=[self.class_names[place] for place in keep],
            factors=[self.factors[place] for place in keep],
            sums=self.sums[keep],
            counts=self.counts[keep],
        )

    def write(self, path: Path) -> None:
        """Write them as .npz. Raises CheckpointError."""
        factors: dict[str, Any] = {f"factor_{place}": factor for place, factor in enumerate(self.factors)}
        settings = np.array([self.settings.strength, self.settings.scale])
        names = np.array(self.class_names, dtype=np.str_)
        with replacing(path) as file:
            np.savez(file, class_names=names, sums=self.sums, counts=self.counts, settings=settings, **factors)


def read(path: Path) -> Statistics:
    """Read what `Statistics.write` wrote. Raises CheckpointError."""
    try:
        with np.load(path, allow_pickle=False) as found:
            names = [str(name) for name in found["class_names"]]
            factors = [found[f"factor_{place}"] for place in range(len(names))]
            return Statistics(names, factors, found["sums"], found["counts"], Settings(*found["settings"].tolist()))
    except UNREADABLE_NPZ as error:
        raise CheckpointError(f"{path}: no statistics of a model's images ({error}); train it anew") from error


def gather(
    features: NDArray[np.floating[Any]], labels: NDArray[np.int64], names: Sequence[str], chosen: Settings
) -> Statistics:
    """Return the statistics of features [N, width] with one class each."""
    own = [features[labels == label].astype(np.float64) for label in range(len(names))]
    return Statistics(
        names,
        [_factor(rows) for rows in own],
        np.stack([rows.sum(axis=0) for rows in own]),
        np.array([len(rows) for rows in own], np.float64),
        chosen,
    )


def fit(
    features: NDArray[np.floating[Any]], targets: NDArray[np.floating[Any]], *, several: bool
) -> tuple[Head, Settings]:
    """Return the classifier of features [N, width] for targets [N, classes] of 0 and 1, and what was chosen for it.

    The strength is the one of the least error of each image by the regression on all others, and the scale the one
    whose logits, of such answers, give the labels the highest likelihood.
    """
    x, y = features.astype(np.float64), targets.astype(np.float64)
    basis = Basis(x)
    left_out = {strength: leave_one_out(basis, y, strength) for strength in STRENGTHS}
    strength = min(STRENGTHS, key=lambda one: float(((left_out[one] - y) ** 2).sum()))
    scale = min(SCALES, key=lambda one: _surprise(left_out[strength], y, one, several))
    weight, shares = basis.weight(y, strength), y.mean(axis=0)
    return _as_logits(weight, shares - x.mean(axis=0) @ weight, scale, several=several), Settings(strength, scale)


class Basis:
    """Rows [N, width] in the directions in which they scatter, `places` [N, directions]; `squares` of their lengths."""

    def __init__(self, x: Array) -> None:
        self.centred = x - x.mean(axis=0)
        self.is_wide = len(x) <= x.shape[1]
        gram = self.centred @ self.centred.T if self.is_wide else self.centred.T @ self.centred
        squares, self.vectors = np.linalg.eigh(gram)
        self.squares = np.maximum(squares, 0.0)
        self.places = self.vectors * np.sqrt(self.squares) if self.is_wide else self.centred @ self.vectors
        self.mean_square = max(float(self.squares.sum()), 1e-12) / x.shape[1]

    def shrunk(self, strength: float) -> Array:
        """Return the squares, regularised: as parts of the mean over all of the width."""
        shrunk: Array = self.squares + strength * self.mean_square
        return shrunk

    def weight(self, y: Array, strength: float) -> Array:
        """Return the weights [width, classes] of the regression."""
        centred_y = y - y.mean(axis=0)
        if self.is_wide:
            within = self.vectors @ ((self.vectors.T @ centred_y) / self.shrunk(strength)[:, None])
            return np.asarray(self.centred.T @ within)
        return np.asarray(self.vectors @ ((self.places.T @ centred_y) / self.shrunk(strength)[:, None]))


def leave_one_out(basis: Basis, y: Array, strength: float) -> Array:
    """Return for each row the answer [N, classes] of the regression on all other rows, in closed form.

    A row that is left out changes the answer at it by its residual times h / (1 - h), where h is its leverage; the
    regularisation is that of all rows. Source: Allen's PRESS, https://doi.org/10.1080/00401706.1974.10489157
    """
    shrunk = basis.shrunk(strength)
    mean = y.mean(axis=0)
    answers = mean + basis.places @ ((basis.places.T @ (y - mean)) / shrunk[:, None])
    leverage = 1 / len(y) + (basis.places**2 / shrunk).sum(axis=1)
    return np.asarray(y - (y - answers) / np.maximum(1 - leverage, 1e-9)[:, None])


def _regularised(scatter: Array, strength: float) -> Array:
    ridge = strength * max(float(np.trace(scatter)), 1e-12) / len(scatter)
    regularised: Array = scatter + ridge * np.eye(len(scatter))
    return regularised


def _factor(rows: Array) -> Array:
    return np.asarray(np.linalg.qr(rows, mode="r")) if len(rows) > rows.shape[1] else rows


def _as_logits(weight: Array, bias: Array, scale: float, *, several: bool) -> Head:
    """Answers near 0 and 1 become logits: of one class an image any offset will do, of several 0.5 is undecided."""
    return Head(scale * weight, scale * (bias - 0.5 if several else bias))


def _surprise(answers: Array, y: Array, scale: float, several: bool) -> float:
    """Return the mean negative log-likelihood of the labels."""
    if several:
        signed = scale * (answers - 0.5) * (2 * y - 1)
        return float(np.logaddexp(0, -signed).mean())
    logits = scale * answers
    highest = logits.max(axis=1, keepdims=True)
    likely = (logits - highest) - np.log(np.exp(logits - highest).sum(axis=1, keepdims=True))
    return float(-(likely * y).sum(axis=1).mean())
