"""Models that learn together; those that are frozen are computed beside, and belong to no optimizer or checkpoint."""

from collections.abc import Mapping
from typing import Any, Callable

from ppcls.batch import Batch, Outputs
from ppcls.losses.base import Loss
from ppcls.models.distillation import DistillationModel
from ppcls.tasks.classify import Classify


class Distill(Classify):
    """A `Task`: images to the outputs of several models, some of which are frozen teachers."""

    trained: DistillationModel

    def __init__(self, model: DistillationModel, losses: Mapping[str, Loss]) -> None:
        model.set_aside()
        self.frozen = model.frozen_models()
        super().__init__(model, losses)

    def forward(self, run: Callable[..., Any], batch: Batch) -> Outputs:
        outputs: Outputs = run(batch.images, batch.labels, self.trained.teach(batch.images))
        return outputs
