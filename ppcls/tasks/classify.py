"""One model, one batch, a sum of losses. One class per image or several is the business of losses and metrics alone."""

from collections.abc import Mapping, Sequence
from typing import Any, Callable

import paddle
from paddle import nn

from ppcls.batch import Batch, Outputs, outputs_of
from ppcls.losses.base import Loss, terms_of


class Classify:
    """A `Task`: images to logits. Losses with weights to train become a part of the model, named `losses`."""

    frozen: Mapping[str, nn.Layer] = {}

    def __init__(self, model: nn.Layer, losses: Mapping[str, Loss]) -> None:
        self.trained = model
        self.terms: Sequence[str] = list(losses)
        self._losses = losses
        with_weights = {name: loss for name, loss in losses.items() if isinstance(loss, nn.Layer)}
        if with_weights:
            model.add_sublayer("losses", nn.LayerDict(with_weights))

    def forward(self, run: Callable[..., Any], batch: Batch) -> Outputs:
        return outputs_of(run(batch.images))

    def losses(self, outputs: Outputs, batch: Batch) -> dict[str, paddle.Tensor]:
        return terms_of(self._losses, outputs, batch)

    def outputs(self, batch: Batch) -> Outputs:
        return outputs_of(self.trained(batch.images))

    def deployable(self) -> nn.Layer:
        deployable: Callable[[], nn.Layer] = getattr(self.trained, "deployable", lambda: self.trained)
        return deployable()
