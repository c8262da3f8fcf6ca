"""A model before the first epoch: a closed-form classifier on the features of the weights to start from."""

import logging
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray
from paddle import nn

from ppcls.api import ridge, stored
from ppcls.api.model import Model
from ppcls.config.schema import RunConfig
from ppcls.engine import build
from ppcls.engine.clock import Timing
from ppcls.models.layers import Head
from ppcls.models.weight_files import about
from ppcls.report.content import collect
from ppcls.report.evaluation import Evaluation

logger = logging.getLogger("ppcls")

FOLDER = "instant"  # in that of the run
STAGES = ("look", "fit", "evaluate", "export")  # of making it; the end of a run has the same


def prefix(folder: Path) -> Path:
    """Return the prefix of the weights of the instant model of a run."""
    return folder / FOLDER / stored.MODEL


def make(folder: Path, config: RunConfig, began: float) -> bool:
    """Make the instant model of a run and export it, unless it is there; return whether there is one.

    `began`: when, by the monotonic clock, the command began, whose first seconds go into looking at the images.
    There is none for a model whose classifier is no linear layer on its features; the log says so.
    """
    if prefix(folder).with_suffix(".pdstates").is_file():
        return True
    started = time.monotonic()
    model = _start(config)
    if not _is_linear(model.network):
        logger.info(f"no instant model: the classifier of {config.Arch.name} is no linear layer on its features")
        return False
    fit(model)
    fitted = time.monotonic()
    model.results = model.engine.evaluate(model.engine.evaluators[0])
    evaluated = time.monotonic()
    model.replace(folder)
    moments = [began, started, fitted, evaluated, time.monotonic()]
    seconds = {name: end - start for name, start, end in zip(STAGES, moments, moments[1:])}
    model.save(folder / FOLDER, seconds=seconds)
    name, _ = model.engine.evaluators[0].crown()
    logger.info(
        f"instant model: {name} {model.results[name]:.4f} on the held-out images, after "
        f"{time.monotonic() - started:.0f} s, exported to '{folder / 'inference'}'"
    )
    return True


def fit(model: Model) -> None:
    """Fit the classifier to the images that the model's config trains on, and keep their statistics with the model."""
    features, labels, several = _training_features(model)
    targets = labels if several else np.eye(len(model.class_names))[labels]
    head, chosen = ridge.fit(features, targets, several=several)
    stored.put_head(model.network, head)
    model.statistics = None if several else ridge.gather(features, labels, model.class_names, chosen)


def keep_statistics(model: Model, trained: Optional[Evaluation]) -> None:
    """Keep the statistics of the images, of one class each, that a model was trained on: classes can be added by them.

    `trained`: what the model says of them, where that is known.
    """
    if not _is_linear(model.network):
        return
    if trained is None or trained.features is None:
        features, labels, _ = _training_features(model)
    else:
        features, labels = trained.features, trained.labels
    _, chosen = ridge.fit(features, np.eye(len(model.class_names))[labels], several=False)
    model.statistics = ridge.gather(features, labels, model.class_names, chosen)


def timing(folder: Path, config: RunConfig, started: float) -> Timing:
    """Return how long an evaluation and the end of a run take, from how long they took for the instant model."""
    seconds: Optional[Mapping[str, float]] = about(prefix(folder)).get("seconds")
    if seconds is None and config.Global.minutes > 0:
        seconds = _rehearsed(folder, config)
    return Timing(started, seconds["evaluate"], sum(seconds.values())) if seconds else Timing(started)


def _rehearsed(folder: Path, config: RunConfig) -> Mapping[str, float]:
    """Return what they take where no instant model told it: both are done once, and nothing of them is kept."""
    logger.info("how long the end of the run takes is tried before the training, without keeping anything")
    model, started = _start(config), time.monotonic()
    model.engine.evaluate(model.engine.evaluators[0])
    evaluated = time.monotonic()
    collect(model.answering(folder), None)
    with tempfile.TemporaryDirectory() as unused:
        model.export(unused)
    return {"evaluate": evaluated - started, "end": time.monotonic() - evaluated}


def _start(config: RunConfig) -> Model:
    """Return the model as its training begins, which computes by the operators of that."""
    model = Model(config, start=True)
    model.engine.choose_operators(passes=model.engine.training_passes)
    return model


def _is_linear(network: nn.Layer) -> bool:
    try:
        head = network.get_head()
    except AttributeError:
        return False
    return isinstance(head, Head) and head.bias is not None and network.num_features in head.weight.shape


def _training_features(model: Model) -> tuple[NDArray[np.float32], NDArray[Any], bool]:
    """Return what the classifier takes of all images to train on, their labels, and whether each has several."""
    section = model.config.require("DataLoader.Train", "train")
    dataset = build.loader(model.config, section, training=True).dataset
    paths = [dataset.where(index) for index in range(len(dataset))]
    return model.embed(paths, batch_size=32), dataset.labels, dataset.labels.ndim == 2
