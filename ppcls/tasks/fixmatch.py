"""Learning from few labels: what a model is sure of in a weak view of an image is the label of a strong view.

Source: FixMatch, arXiv 2001.07685.
"""

from collections.abc import Mapping
from typing import Any, Callable

import paddle
from paddle import nn
from paddle.nn import functional as F

from ppcls.batch import Batch, Outputs, outputs_of
from ppcls.losses.base import Loss, terms_of
from ppcls.tasks.classify import Classify

# The views of images without labels in `Batch.extra`, and the outputs for them.
WEAK, STRONG = "weak", "strong"
# A logit beside which all others are nothing in float32.
BEYOND_DOUBT = 100.0


class FixMatch(Classify):
    """A `Task`: images to logits, trained on labelled images and on two views of others.

    An image counts where the highest probability of its weak view, at a `temperature`, is at least `threshold`.
    """

    def __init__(
        self,
        model: nn.Layer,
        losses: Mapping[str, Loss],
        unlabelled: Mapping[str, Loss],
        *,
        temperature: float,
        threshold: float,
    ) -> None:
        super().__init__(model, losses)
        self._unlabelled = {f"UnLabel{name}": loss for name, loss in unlabelled.items()}
        self.terms = [*self.terms, *self._unlabelled]
        self.temperature, self.threshold = temperature, threshold

    def forward(self, run: Callable[..., Any], batch: Batch) -> Outputs:
        views = [batch.images, batch.extra[WEAK], batch.extra[STRONG]]
        logits = outputs_of(run(paddle.concat(views)))["logits"]  # together, as batch norms are to see all of them
        return dict(zip(("logits", WEAK, STRONG), logits.split([len(view) for view in views])))

    def losses(self, outputs: Outputs, batch: Batch) -> dict[str, paddle.Tensor]:
        guesses = F.softmax(outputs[WEAK].detach().astype("float32") / self.temperature)
        labels, sure = guesses.argmax(axis=1), guesses.max(axis=1, keepdim=True) >= self.threshold
        # The mean is over all images: the others have logits that are right beyond doubt, with a loss of 0.
        right = F.one_hot(labels, guesses.shape[1]) * BEYOND_DOUBT
        strong = {"logits": paddle.where(sure, outputs[STRONG].astype("float32"), right)}
        return {
            **super().losses(outputs, batch),
            **terms_of(self._unlabelled, strong, Batch(batch.extra[STRONG], labels)),
        }
