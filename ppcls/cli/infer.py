"""The command `ppcls infer`, or tools/infer.py: predictions of the training-time model."""

import argparse
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from ppcls.cli.arguments import add_config
from ppcls.cli.starting import start_with_weights
from ppcls.errors import ConfigError
from ppcls.files import make_folder, write_text

if TYPE_CHECKING:
    from ppcls.config import RunConfig

logger = logging.getLogger("ppcls")

PURPOSE = "predict images with the training-time model"
EXAMPLES = """examples:
  python tools/infer.py -c configs/ResNet50.yaml -o Global.pretrained_model=output/ResNet50/best_model \\
      -o Infer.infer_imgs=image_or_folder"""

add_arguments = add_config


def run(arguments: argparse.Namespace) -> int:
    """Print a line for each image of `Infer.infer_imgs`; return 1 if one could not be used, else 0."""
    engine = start_with_weights(arguments).deployed()
    import numpy as np
    import paddle

    from ppcls.batch import outputs_of
    from ppcls.engine import build
    from ppcls.export.graph import scores_of
    from ppcls.images import stream
    from ppcls.images.decode import Image
    from ppcls.images.sources import name_of, told_apart
    from ppcls.inference.postprocess import Prediction

    config = engine.config
    postprocess = build.postprocess(config)
    found = _images(config)
    names = told_apart(found)
    transforms = stream.pipeline(build.eval_transforms(config))
    model = engine.model
    build.load_start_weights(config, model, new_head=False)
    model.eval()

    @paddle.no_grad()
    def predict(images_NHWC: Image) -> list[Prediction]:
        outputs = outputs_of(model(paddle.to_tensor(transforms.finish(images_NHWC))))
        return postprocess(scores_of(outputs["logits"], postprocess.activation).numpy())

    status, answers = 0, []
    for batch in stream.batches(found, transforms, config.Infer.batch_size):
        images = [one.image for one in batch if one.image is not None]
        predictions = iter(predict(np.stack(images)) if images else ())
        for one in batch:
            if one.image is None:
                status = 1
                logger.error(f"{name_of(one.source)}: {one.problem}")
                continue
            prediction = next(predictions)
            print(prediction.line(names[one.source]))
            answers.append({**prediction.to_dict(), "file_name": name_of(one.source)})
    if config.Infer.save_dir is not None:
        path = Path(config.Infer.save_dir.rstrip("/").removesuffix(".json") + ".json")
        make_folder(path.parent, "Infer.save_dir")
        write_text(path, json.dumps(answers, ensure_ascii=False))
    return status


def _images(config: "RunConfig") -> list[str]:
    """Return the images that the config means. Raises ConfigError or DataError."""
    from ppcls.images import stream

    images, listed = config.require("Infer.infer_imgs", "infer"), config.Infer.infer_list
    if listed is None:
        return list(stream.find(images))
    if not isinstance(images, str):
        raise ConfigError(f"{config.source}: Infer.infer_list: needs one folder as Infer.infer_imgs; received several")
    return stream.listed(listed, images)
