"""Does an exported model give the scores of the trained one?"""

import logging
from collections.abc import Sequence

import numpy as np
import paddle
from numpy.typing import NDArray
from paddle import nn

from ppcls.errors import CheckpointError, DataError
from ppcls.images import stream
from ppcls.images.decode import Image
from ppcls.images.pipeline import Pipeline
from ppcls.images.sources import name_of
from ppcls.inference.predictor import Predictor

logger = logging.getLogger("ppcls")

# Largest difference of a score between the trained model and the exported one: rounding of other kernels. That grows
# with the scores, so that where an image's largest is above 1 (logits, features), it is a share of that.
TOLERANCE = 1e-4

BATCH_SIZE = 8
TOPK = 5


class Comparison:
    """How far the scores of an exported model are from those of the trained one, over all images so far."""

    def __init__(self, exported: Predictor) -> None:
        self.exported = exported
        self.num_images = 0
        self.num_same_top = 0
        self.largest = 0.0
        self.worst = ""

    def add(self, names: Sequence[str], images_NHWC: Image, expected: NDArray[np.float32]) -> None:
        """Compare on a batch; `expected` are the scores of the trained model."""
        found = self.exported.scores(self.exported.finish(images_NHWC))
        scales = np.maximum(np.abs(expected).max(axis=1), 1)
        differences = np.abs(expected - found).max(axis=1) / scales
        best, best_found = (np.argsort(-scores, axis=1, kind="stable")[:, :TOPK] for scores in (expected, found))
        self.num_images += len(names)
        self.num_same_top += int((best == best_found).all(axis=1).sum())
        # Written so that one that is not a number counts as the largest, and stays it.
        if not (differences.max() <= self.largest or np.isnan(self.largest)):
            self.largest, self.worst = float(differences.max()), names[int(differences.argmax())]

    def __str__(self) -> str:
        return (
            f"{self.exported.about}: the same top {TOPK} for {self.num_same_top} of {self.num_images} images, "
            f"scores differ by at most {self.largest:.2g} ({self.worst})"
        )

    def require_equal(self) -> None:
        """Raise CheckpointError if it is more than rounding."""
        if not self.largest <= TOLERANCE:
            raise CheckpointError(
                f"export: the exported model gives other scores than the trained one (by {self.largest:.2g} for "
                f"{self.worst}, with {self.exported.about}); nothing was written; report it with the config"
            )


def compare(scores: nn.Layer, pipeline: Pipeline, exported: Sequence[Predictor], images_NHWC: Image) -> None:
    """Raise CheckpointError unless each of `exported` gives for uint8 images the scores of the layer `scores`."""
    for predictor in exported:
        comparison = Comparison(predictor)
        comparison.add(["an image"] * len(images_NHWC), images_NHWC, _expected(scores, pipeline, images_NHWC))
        comparison.require_equal()


def compare_on(scores: nn.Layer, pipeline: Pipeline, exported: Sequence[Predictor], data: str) -> None:
    """Do the same on all images of a folder or list, and tell how far the scores are apart."""
    comparisons = [Comparison(predictor) for predictor in exported]
    for batch in stream.batches(stream.spread(data), pipeline, BATCH_SIZE, input_shape=exported[0].input_shape):
        read = [(name_of(one.source), one.image) for one in batch if one.image is not None]
        for one in batch:
            if one.image is None:
                logger.warning(f"--verify: {name_of(one.source)}: {one.problem}")
        if read:
            names, images = zip(*read)
            images_NHWC = np.stack(images)
            expected = _expected(scores, pipeline, images_NHWC)
            for comparison in comparisons:
                comparison.add(names, images_NHWC, expected)
    for comparison in comparisons:
        if not comparison.num_images:
            raise DataError(f"--verify: no image of '{data}' can be read, so nothing was compared; give others")
        comparison.require_equal()
        logger.info(f"verified: {comparison}")


def _expected(scores: nn.Layer, pipeline: Pipeline, images_NHWC: Image) -> NDArray[np.float32]:
    with paddle.no_grad():
        return np.asarray(scores(paddle.to_tensor(pipeline.finish(images_NHWC))).numpy())
