"""The losses and metrics of a config, each with labels that it can take."""

from collections.abc import Sequence
from typing import Any, Union

import numpy as np
from numpy.typing import NDArray
from paddle import nn

from ppcls.batch import LabelKind, multi_hot_of
from ppcls.config.schema import RunConfig
from ppcls.data.loader.loader import Loader
from ppcls.data.loader.retrieval import QueryAndGallery
from ppcls.engine import build, ranks
from ppcls.engine.evaluator import FIRST, Evaluator
from ppcls.engine.metric_names import refuse_twins
from ppcls.engine.tally import Tally
from ppcls.errors import ConfigError
from ppcls.losses import LOSSES
from ppcls.losses.base import Loss
from ppcls.metrics import METRICS
from ppcls.metrics.base import Metric
from ppcls.metrics.retrieval import Retrieval
from ppcls.registry import Facts, Part, Registry

# What gives batches: one data set, or queries and their gallery.
Images = Union[Loader, QueryAndGallery]


def losses(parts: Sequence[Part], loader: Images, class_num: int) -> dict[str, Loss]:
    """Build losses for the batches of a loader, by name; those of one name are numbered from the second one on.

    They may weigh classes by how often they are among the labels to see.
    """
    built: dict[str, Loss] = {}
    counts = _class_counts(loader.dataset.labels, class_num)
    facts = Facts(class_num=class_num, class_counts=counts, world_size=ranks.world_size())
    for part in parts:
        name = part.name.rpartition(":")[2]
        count = sum(before.name == part.name for before in parts[: len(built)])
        loss = built[f"{name}{count + 1}" if count else name] = _built(LOSSES, part, facts, loader)
        if getattr(loss, "reduction", "mean") == "none":
            raise ConfigError(f"{part.where}: {part.name}: reduction: 'none' gives no mean to minimise; remove it")
    return built


def metrics(parts: Sequence[Part], loader: Images, class_num: int) -> list[Metric]:
    """Build metrics for the batches of a loader."""
    facts = Facts(class_num=class_num, label_names=list(loader.dataset.label_names))
    built: list[Metric] = [_built(METRICS, part, facts, loader) for part in parts]
    refuse_twins(parts, built)
    return built


def evaluators(config: RunConfig, first: Images, others: Sequence[Loader]) -> list[Evaluator]:
    """Build the evaluation of `DataLoader.Eval` and those of `Evaluators`, each on its loader."""
    shown: Sequence[Part] = ()
    if not isinstance(first, QueryAndGallery):  # whose identities the model has no logits for
        shown = config.Loss.Eval or config.require("Loss.Train", "eval without Loss.Eval")
    usual = config.Global.eval_interval
    built = [_evaluator(config, FIRST, first, shown, config.Metric.Eval, usual)]
    for section, loader in zip(config.Evaluators, others):
        if section.name in ("train", *(other.name for other in built)):
            raise ConfigError(f"{config.source}: Evaluators: '{section.name}' is the name of another; choose another")
        built.append(
            _evaluator(config, section.name, loader, section.Loss or shown, section.Metric, section.every or usual)
        )
    return built


def _evaluator(
    config: RunConfig, name: str, loader: Images, shown: Sequence[Part], measured: Sequence[Part], every: int
) -> Evaluator:
    terms = losses(shown, loader, config.class_num) if shown else {}
    untrained = [part for part, loss in zip(shown, terms.values()) if isinstance(loss, nn.Layer)]
    if untrained:
        raise ConfigError(
            f"{untrained[0].where}: {untrained[0].name} has weights, which only a training has; give Loss.Eval others"
        )
    counted = metrics(measured, loader, config.class_num)
    if isinstance(loader, QueryAndGallery):
        counted = [_retrieval(config, counted)]
    return Evaluator(name, loader, terms, counted, every, Tally(list(terms) or None, counted))


def _retrieval(config: RunConfig, measures: Sequence[Any]) -> Metric:
    if not measures:
        raise ConfigError(f"{config.source}: missing key 'Metric.Eval'; retrieval needs it, such as Recallk and mAP")
    return Retrieval(measures, build.compared(config), rerank=config.Global.re_ranking)


def _built(registry: Registry, part: Part, facts: Facts, loader: Images) -> Any:
    """Build a part. Raises ConfigError, with those that would do, if it can't take the labels of the loader."""
    built, given = registry.build(part, facts), loader.label_kind
    takes = getattr(built, "takes", frozenset(LabelKind))  # a part of the user's own may not say
    if given in takes:
        return built
    others = [name for name in registry.names() if name != part.name]
    fitting = [name for name in others if given in getattr(registry.load(name), "takes", ())]
    kinds = " or ".join(kind.value for kind in LabelKind if kind in takes)
    raise ConfigError(
        f"{part.where}: {part.name} takes {kinds}; {loader.source} gives {given.value}"
        + (f"; use {', '.join(fitting)}" if fitting else "")
    )


def _class_counts(labels: NDArray[Any], class_num: int) -> NDArray[Any]:
    """Return how many images of each class there are."""
    if labels.ndim == 1:
        return np.bincount(labels, minlength=class_num)
    counts: NDArray[Any] = multi_hot_of(labels).sum(axis=0)
    return counts
