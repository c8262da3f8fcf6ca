"""Learning from few labels: what a model is sure of in a weak view of an image is the label of a strong view.

Source: FixMatch, arXiv 2001.07685; CCSSL, arXiv 2203.02261.
"""

from collections.abc import Mapping
from typing import Any, Callable

import paddle
from paddle import nn
from paddle.nn import functional as F

from ppcls.batch import Batch, Outputs, outputs_of
from ppcls.losses.base import Loss, terms_of
from ppcls.losses.pairs import features_of
from ppcls.tasks.classify import Classify

# The views of images without labels in `Batch.extra`, and the outputs for them; the third one is of CCSSL alone.
WEAK, STRONG, STRONG2 = "weak", "strong", "strong2"
# A logit beside which all others are nothing in float32.
BEYOND_DOUBT = 100.0


class FixMatch(Classify):
    """A `Task`: images to logits, trained on labelled images and on two views of others.

    An image counts where the highest probability of its weak view, at a `temperature`, is at least `threshold`. With a
    third view the losses without labels also get the "features" of both strong ones, one after the other, and that
    "certainty" of each image.
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
        views = {"logits": batch.images, **batch.extra}
        sizes = [len(view) for view in views.values()]
        found = outputs_of(run(paddle.concat([*views.values()])))  # together, as batch norms are to see all of them
        outputs = dict(zip(views, found["logits"].split(sizes)))
        if STRONG2 in views:
            outputs["features"] = paddle.concat(features_of(found, "features").split(sizes)[2:])
        return outputs

    def losses(self, outputs: Outputs, batch: Batch) -> dict[str, paddle.Tensor]:
        guesses = F.softmax(outputs[WEAK].detach().astype("float32") / self.temperature)
        labels, certainty = guesses.argmax(axis=1), guesses.max(axis=1, keepdim=True)
        # The mean is over all images: the others have logits that are right beyond doubt, with a loss of 0.
        right = F.one_hot(labels, guesses.shape[1]) * BEYOND_DOUBT
        sure = certainty >= self.threshold
        strong = {**outputs, "logits": paddle.where(sure, outputs[STRONG].astype("float32"), right)}
        strong["certainty"] = certainty
        return {
            **super().losses(outputs, batch),
            **terms_of(self._unlabelled, strong, Batch(batch.extra[STRONG], labels)),
        }
