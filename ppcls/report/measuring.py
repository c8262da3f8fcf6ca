"""Every image of a data set through a trained model, or through an exported one."""

import logging
from collections.abc import Iterator, Sequence
from typing import Any, Callable, Optional

import numpy as np
import paddle
from numpy.typing import NDArray
from paddle import nn

from ppcls.batch import LabelKind, outputs_of
from ppcls.data.sources.base import LabelledImages
from ppcls.errors import DataError
from ppcls.export.graph import scores_of
from ppcls.images import stream
from ppcls.images.failures import OneImage
from ppcls.images.pipeline import Pipeline
from ppcls.images.stream import Prepared
from ppcls.inference.postprocess import Activation
from ppcls.inference.predictor import Predictor
from ppcls.models.model import Model
from ppcls.report.evaluation import Evaluation
from ppcls.text import as_utf8, printable

logger = logging.getLogger("ppcls")

BATCH_SIZE = 32
Answers = tuple[NDArray[Any], Optional[NDArray[Any]]]  # scores of a batch of images, and features
Run = Callable[[NDArray[Any]], Answers]


def of_model(
    model: nn.Layer, activation: Activation, data_set: LabelledImages, pipeline: Pipeline, names: Sequence[str]
) -> Evaluation:
    """Return the scores and features of a model in its evaluation form."""
    taken: list[paddle.Tensor] = []

    def run(images_NHWC: NDArray[Any]) -> Answers:
        taken.clear()
        with paddle.no_grad():
            logits = outputs_of(model(paddle.to_tensor(pipeline.finish(images_NHWC))))["logits"].astype("float32")
            features = taken[-1].astype("float32").numpy() if taken and taken[-1].ndim == 2 else None
            return scores_of(logits, activation).numpy(), features

    if not isinstance(model, Model):  # one of the user's own, whose classifier is not known
        return _measured(run, data_set, pipeline, names)
    hook = model.get_head().register_forward_pre_hook(lambda _, inputs: taken.append(inputs[0]))
    try:
        return _measured(run, data_set, pipeline, names)
    finally:
        hook.remove()


def of_export(predictor: Predictor, data_set: LabelledImages, names: Sequence[str]) -> Evaluation:
    """Return the scores of an exported model, which has no features to give."""
    return _measured(
        lambda images_NHWC: (predictor.scores(predictor.finish(images_NHWC)), None),
        data_set,
        predictor.pipeline,
        names,
    )


def _measured(run: Run, data_set: LabelledImages, pipeline: Pipeline, names: Sequence[str]) -> Evaluation:
    kept: list[int] = []
    answers: list[Answers] = []
    place = 0
    for batch in stream.batches(_contents(data_set), pipeline, BATCH_SIZE):
        images = []
        for one in batch:
            if one.image is None:
                logger.warning(f"skipped: {printable(data_set.where(place))}: {one.problem}")
            else:
                kept.append(place)
                images.append(one.image)
            place += 1
        if images:
            answers.append(run(np.stack(images)))
    if not kept:
        raise DataError("report: received no image that can be read; see `ppcls data check`")
    scores, features = zip(*answers)
    return Evaluation(
        [as_utf8(data_set.where(index)) for index in kept],
        _labels(data_set)[kept],
        np.concatenate(scores),
        names,
        None if features[0] is None else np.concatenate(features),
    )


def _labels(data_set: LabelledImages) -> NDArray[np.int64]:
    labels: Any = data_set.labels
    if data_set.label_kind is LabelKind.MULTI_HOT_WITH_RATIOS:
        labels = labels[:, 0]
    ids: NDArray[np.int64] = np.asarray(labels).round().astype(np.int64)
    return ids


def _contents(data_set: LabelledImages) -> Iterator[Any]:
    for index in range(len(data_set)):
        try:
            with OneImage():
                content: Any = data_set.read(index)
        except DataError as error:
            content = Prepared(None, None, str(error))
        yield content
