"""A model whose features find images of the same class or individual; a head with a margin trains them."""

from typing import Any, Callable

from ppcls.batch import Batch, Outputs
from ppcls.tasks.classify import Classify


class Retrieve(Classify):
    """A `Task`: images to features, and to logits where there is a head, which in training may need the labels."""

    def forward(self, run: Callable[..., Any], batch: Batch) -> Outputs:
        outputs: Outputs = run(batch.images, batch.labels)
        return outputs
