"""Trains a small network as tools/train.py does, and writes what each rank saw.

Usage: python recorded_run.py OUTPUT CONFIG [KEY=VALUE ...]

The record of rank N is OUTPUT/rank_N.npz: the `losses` of its batches, and a `digest` of the weights, statistics and
averages that it ended with. All is computed in float64: a training amplifies rounding, which depends on how many ranks
add up, by orders of magnitude, and that would hide what is to be compared.
"""

import functools
import hashlib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import paddle
from paddle import nn

from ppcls.batch import Batch
from ppcls.config import load_config
from ppcls.engine import log, ranks
from ppcls.engine.engine import Engine
from ppcls.engine.parts import Parts
from ppcls.engine.updates import Updates
from ppcls.losses.base import total_of
from ppcls.models.layers import ConvNormAct, Head, synchronise


class RecordingEngine(Engine):
    losses: list[float] = []

    @functools.cached_property
    def model(self) -> nn.Layer:
        layers = [ConvNormAct(*channels, 3, stride=2, act="relu") for channels in ((3, 32), (32, 128))]
        network = nn.Sequential(*layers, nn.AdaptiveAvgPool2D(1), nn.Flatten(), Head(128, self.config.class_num))
        synchronise(network)  # or each rank has statistics of its own
        return network.to(dtype="float64")

    def train_batches(self) -> Iterator[Batch]:
        for batch in super().train_batches():
            yield replace(batch, images=batch.images.astype("float64"))

    @functools.cached_property
    def updates(self) -> Updates:
        updates = Parts.updates.func(self)
        accumulate = updates.accumulate

        def noted(batch: Batch, terms: Mapping[str, paddle.Tensor]) -> None:
            self.losses.append(float(total_of(terms)))
            accumulate(batch, terms)

        updates.accumulate = noted
        return updates


def main(output: Path, config: str, *overrides: str) -> None:
    log.start_console(quiet=ranks.rank() != 0)
    engine = RecordingEngine(load_config(config, overrides))
    engine.train()
    digest = hashlib.sha256()
    for entries in (engine.model.state_dict(), engine.state.ema.averages):
        for name, value in sorted(entries.items()):
            digest.update(name.encode() + value.numpy().tobytes())
    output.mkdir(parents=True, exist_ok=True)
    np.savez(output / f"rank_{ranks.rank()}.npz", losses=engine.losses, digest=digest.hexdigest())


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
