"""Evaluates, trains on batches that are not equally large on all ranks, and stops at a loss that is not finite.

Usage: python uneven_run.py OUTPUT CONFIG RETRIEVAL_CONFIG [KEY=VALUE ...]

OUTPUT/rank_N.json has the `results` of the evaluation, those of `retrieval`, and the `weights` of the head after the
training; of several ranks also the `message` with which a run ends whose loss on the last rank is not finite in its
second batch.
"""

import functools
import json
import sys
from pathlib import Path
from typing import Any

import paddle
from paddle import nn

from ppcls.batch import Batch, Outputs
from ppcls.config import load_config
from ppcls.engine import log, ranks
from ppcls.engine.engine import Engine
from ppcls.errors import TrainingError
from ppcls.losses.base import Loss
from ppcls.models.layers import Head


class Network(nn.Sequential):
    """Computes in float64, and without a batch norm, whose statistics would be those of a rank's own batch."""

    def forward(self, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        return super().forward(images_NCHW.astype("float64"))


class UnevenEngine(Engine):
    @functools.cached_property
    def model(self) -> nn.Layer:
        head = Head(8, self.config.class_num)
        layers = (nn.Conv2D(3, 8, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2D(1), nn.Flatten(), head)
        return Network(*layers).to(dtype="float64")


class Colours(nn.Layer):
    """Features in float64: what a convolution finds in four parts of an image."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2D(3, 8, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2D(2), nn.Flatten())

    def forward(self, images_NCHW: paddle.Tensor, labels: Any = None) -> Outputs:
        return {"features": self.layers(images_NCHW.astype("float64"))}


class RetrievalEngine(Engine):
    @functools.cached_property
    def model(self) -> nn.Layer:
        return Colours().to(dtype="float64")


class Spoiled(Loss):
    """0, and on the last rank not a number from its second batch on."""

    calls = 0

    def of(self, outputs: Outputs, batch: Batch) -> paddle.Tensor:
        self.calls += 1
        spoils = self.calls > 1 and ranks.rank() == ranks.world_size() - 1
        return outputs["logits"].mean() * (float("nan") if spoils else 0.0)


def engine(config: str, overrides: tuple[str, ...]) -> UnevenEngine:
    return UnevenEngine(load_config(config, overrides))


def main(output: Path, config: str, retrieval: str, *overrides: str) -> None:
    log.start_console(quiet=True)
    found: dict[str, Any] = {}
    run = engine(config, overrides)
    run.prepare()
    found["results"] = run.evaluate(run.evaluators[0])
    searching = RetrievalEngine(load_config(retrieval))
    found["retrieval"] = searching.evaluate(searching.evaluators[0])
    run.train()
    found["weights"] = run.model[-1].weight.numpy().tolist()
    if ranks.world_size() > 1:
        run = engine(config, (*overrides, f"Global.output_dir={output}/spoiled"))
        run.train_losses["Spoiled"] = Spoiled()
        try:
            run.train()
        except TrainingError as error:
            found["message"] = str(error)
    output.mkdir(parents=True, exist_ok=True)
    (output / f"rank_{ranks.rank()}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
