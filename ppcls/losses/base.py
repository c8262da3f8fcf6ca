"""What every loss is. A builder gives it the `Facts` that its constructor names, such as `class_counts`."""

from abc import ABC
from collections.abc import Mapping
from typing import Any, Callable

import paddle

from ppcls.batch import Batch, LabelKind, Outputs
from ppcls.errors import ConfigError


class Loss(ABC):
    """One term of what a training minimises: the mean over the images of a batch, as a scalar tensor, times a weight.

    As it is a mean, an evaluation that sums `loss * N` over batches and divides by the number of images is exact for
    any batch size. A loss on logits has `__call__(logits, labels)`; one on other outputs has its own `of`. A loss with
    weights to train is an `nn.Layer` as well.
    """

    takes: frozenset[LabelKind]
    __call__: Callable[..., Any]

    def of(self, outputs: Outputs, batch: Batch) -> paddle.Tensor:
        """Return the loss of a model's outputs for a batch."""
        if "logits" not in outputs:
            raise ConfigError(f"{type(self).__name__}: the model gives no logits but {', '.join(outputs)}; add a head")
        return self(outputs["logits"], batch.labels)


def terms_of(losses: Mapping[str, Loss], outputs: Outputs, batch: Batch) -> dict[str, paddle.Tensor]:
    """Return all losses of a batch by name."""
    return {name: loss.of(outputs, batch) for name, loss in losses.items()}


def total_of(terms: Mapping[str, paddle.Tensor]) -> paddle.Tensor:
    """Return the sum of the terms."""
    first, *others = terms.values()
    return sum(others, start=first)
