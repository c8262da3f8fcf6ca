"""What a run does with its models: the part of a training that differs between kinds of problems."""

from collections.abc import Mapping, Sequence
from typing import Any, Callable, Protocol

import paddle
from paddle import nn

from ppcls.batch import Batch, Outputs


class Task(Protocol):
    """The models and losses of one kind of problem."""

    # All that the optimizer, averages of weights, several ranks and checkpoints own; called with `Batch.images`.
    trained: nn.Layer
    # The names of its terms of the loss.
    terms: Sequence[str]
    # What the losses depend on besides, by name, and no training changes.
    frozen: Mapping[str, nn.Layer]

    def forward(self, run: Callable[..., Any], batch: Batch) -> Outputs:
        """Return the outputs to train on; `run` is what computes `trained`, such as its static or parallel form."""

    def losses(self, outputs: Outputs, batch: Batch) -> dict[str, paddle.Tensor]:
        """Return the weighted `terms` of the loss, scalars by name; the training minimises their sum."""

    def outputs(self, batch: Batch) -> Outputs:
        """Return the outputs to evaluate and predict from."""

    def deployable(self) -> nn.Layer:
        """Return the model that an export writes."""
