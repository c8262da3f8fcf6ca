"""The command `ppcls infer`, or tools/infer.py: predictions of the training-time model."""

import argparse
import logging

from ppcls.cli.arguments import add_config
from ppcls.cli.starting import start_with_weights

logger = logging.getLogger("ppcls")

PURPOSE = "predict pictures with the training-time model"
EXAMPLES = """examples:
  python tools/infer.py -c configs/ResNet50.yaml -o Global.pretrained_model=output/ResNet50/best_model \\
      -o Infer.infer_imgs=picture_or_folder"""

add_arguments = add_config


def run(arguments: argparse.Namespace) -> int:
    """Print a line for each picture of `Infer.infer_imgs`; return 1 if one could not be read, else 0."""
    engine = start_with_weights(arguments)
    import paddle

    from ppcls.batch import outputs_of
    from ppcls.engine import build
    from ppcls.export.graph import scores_of
    from ppcls.images import stream

    config = engine.config
    postprocess = build.postprocess(config)
    found = stream.find(config.require("Infer.infer_imgs", "infer"))
    transforms = stream.pipeline(build.eval_transforms(config))
    todo = stream.Pictures(found, transforms, batch_size=config.Infer.batch_size)
    build.load_start_weights(config, engine.model, new_head=False)
    engine.model.eval()
    for paths, images_NCHW in todo.batches():
        with paddle.no_grad():
            outputs = outputs_of(engine.model(paddle.to_tensor(images_NCHW)))
            scores = scores_of(outputs["logits"], postprocess.activation)
        for path, prediction in zip(paths, postprocess(scores.numpy())):
            print(prediction.line(path.name))
    for message in todo.failed:
        logger.error(message)
    return 1 if todo.failed else 0
