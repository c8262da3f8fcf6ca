"""Images that become harder while a training goes on."""

import copy
import logging
from collections.abc import Iterator, Sequence
from typing import Any

from ppcls.batch import Batch
from ppcls.config.data_schema import DatasetPart
from ppcls.data.loader.loader import Loader
from ppcls.data.sources.base import LabelledImages
from ppcls.errors import ConfigError
from ppcls.images.pipeline import Pipeline
from ppcls.registry import Part

logger = logging.getLogger("ppcls")

# `progress_size` has the `size` of each stage.
PROGRESS = "progress_"


class Progressive(Loader):
    """A loader with other transforms in each stage of a training: equal parts of its `epochs`, one for each pipeline.

    Source: ppcls/engine/train/train_progressive.py of PaddleClas 2.6; arXiv 2104.00298, section 4.2.
    """

    def __init__(
        self, dataset: LabelledImages, *others: Any, pipelines: Sequence[Pipeline], epochs: int, **options: Any
    ) -> None:
        super().__init__(dataset, *others, **options)
        self.stages = [Loader(_with(dataset, pipeline), *others, **options) for pipeline in pipelines]
        self._ends = [int(epochs * (number + 1) / len(pipelines)) for number in range(len(pipelines) - 1)]

    def stage(self, epoch: int) -> tuple[int, int]:
        return sum(epoch >= end for end in self._ends), len(self.stages)

    def epoch(self, epoch: int, *, skip: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch, from batch number `skip` on."""
        number, count = self.stage(epoch)
        stage = self.stages[number]
        for other in self.stages:
            if other is not stage:
                other.close()
        logger.info(f"stage {number + 1} of {count}")
        for batch in stage.epoch(epoch, skip=skip):
            self.skipped = stage.skipped
            yield batch

    def sample(self, epoch: int, draw: int) -> Batch:
        """Return a batch of one image as the batches of an epoch have it."""
        return self.stages[self.stage(epoch)[0]].sample(epoch, draw)

    def close(self) -> None:
        """End the worker processes; a later epoch starts new ones."""
        for stage in self.stages:
            stage.close()


def _with(dataset: LabelledImages, pipeline: Pipeline) -> LabelledImages:
    """Return the same images with other transforms."""
    changed = copy.copy(dataset)
    changed.pipeline = pipeline
    return changed


def has_stages(data: DatasetPart) -> bool:
    """Return whether a transform states what it is in each stage."""
    return any(map(_progress, data.transform_ops))


def stages_of(data: DatasetPart) -> list[list[Part]]:
    """Return the transforms of each stage. Raises ConfigError where no transform has any, or another number of them."""
    counts = {len(values) for part in data.transform_ops for values in _progress(part).values()}
    if len(counts) != 1:
        raise ConfigError(
            f"{data.where}: train_mode: progressive: needs progress_size and progress_magnitude of one length; "
            f"received {' and '.join(map(str, sorted(counts))) or 'none'}; give a value for each stage"
        )
    return [[_at_stage(part, stage) for part in data.transform_ops] for stage in range(counts.pop())]


def _progress(part: Part) -> dict[str, Any]:
    return {name[len(PROGRESS) :]: values for name, values in part.args.items() if name.startswith(PROGRESS)}


def _at_stage(part: Part, stage: int) -> Part:
    stated = {name: value for name, value in part.args.items() if not name.startswith(PROGRESS)}
    return Part(part.name, {**stated, **{name: values[stage] for name, values in _progress(part).items()}}, part.where)
