"""Predictions of the training-time model."""

import logging

import paddle

from ppcls import pictures
from ppcls.engine import build
from ppcls.engine.engine import Engine
from ppcls.engine.graph import scores_of

logger = logging.getLogger("ppcls")


def infer(engine: Engine) -> int:
    """Print a line for each picture of `Infer.infer_imgs`; return 1 if one could not be read, else 0."""
    config = engine.config
    postprocess = build.postprocess(config)
    found = pictures.find(config.require("Infer.infer_imgs", "infer"))
    transforms = pictures.pipeline(build.eval_transforms(config))
    todo = pictures.Pictures(found, transforms, batch_size=config.Infer.batch_size)
    build.load_start_weights(config, engine.model, new_head=False)
    engine.model.eval()
    for paths, images_NCHW in todo.batches():
        with paddle.no_grad():
            scores = scores_of(engine.model(paddle.to_tensor(images_NCHW)), postprocess.activation)
        for path, prediction in zip(paths, postprocess(scores.numpy())):
            print(prediction.line(path.name))
    for message in todo.failed:
        logger.error(message)
    return 1 if todo.failed else 0
