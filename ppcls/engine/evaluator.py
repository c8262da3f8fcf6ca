"""What is evaluated while training, and by which numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Union

import paddle
import paddle.nn.functional as F

from ppcls.batch import Batch, LabelKind, Outputs
from ppcls.data.loader.loader import Loader
from ppcls.data.loader.retrieval import QueryAndGallery
from ppcls.engine.tally import Tally
from ppcls.losses.base import Loss
from ppcls.metrics.base import Metric
from ppcls.tasks.task import Task

# The evaluation of `DataLoader.Eval`: the first one, and the one that decides which model is the best.
FIRST = "eval"


@dataclass(frozen=True)
class Evaluator:
    """Every so many epochs: the images of a loader, losses and metrics to show of them, and the count of both."""

    name: str
    loader: Union[Loader, QueryAndGallery]
    losses: Mapping[str, Loss]
    metrics: Sequence[Metric]
    every: int
    tally: Tally

    @property
    def title(self) -> str:
        """How its lines in the log begin."""
        return "[Eval]" if self.name == FIRST else f"[Eval {self.name}]"

    @property
    def data(self) -> str:
        """Where the config has its data set."""
        return "DataLoader.Eval.dataset" if self.name == FIRST else f"Evaluators: {self.name}: DataLoader.dataset"

    def crown(self) -> tuple[str, Literal["max", "min"]]:
        """Return the number that tells which model is the best, and which way is better."""
        return next(((name, way) for metric in self.metrics for name, way in metric.names.items()), ("loss", "min"))

    def outputs(self, task: Task, batch: Batch, *, mirrored: bool) -> Outputs:
        """Return what the task says of a batch; `mirrored`: with logits of the mean scores of images and mirror images.

        That is the mean which `Predictor(tta=True)` takes.
        """
        found = task.outputs(batch)
        if not mirrored:
            return found
        logits = found["logits"], task.outputs(replace(batch, images=batch.images.flip([3])))["logits"]
        if self.loader.label_kind in (LabelKind.CLASS_IDS, LabelKind.PROBABILITIES):
            return {**found, "logits": paddle.log(sum(F.softmax(each.astype("float32")) for each in logits) / 2)}
        scores = sum(F.sigmoid(each.astype("float32")) for each in logits) / 2
        return {**found, "logits": paddle.logit(scores)}
