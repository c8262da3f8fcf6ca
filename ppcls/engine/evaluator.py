"""What is evaluated while training, and by which numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Union

from ppcls.data.loader.loader import Loader
from ppcls.data.loader.retrieval import QueryAndGallery
from ppcls.engine.tally import Tally
from ppcls.losses.base import Loss
from ppcls.metrics.base import Metric

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
