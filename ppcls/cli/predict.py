"""The command `ppcls predict`, or deploy/python/predict_cls.py."""

import argparse
import json
from pathlib import Path

from ppcls import environment
from ppcls.cli.arguments import add_config

PURPOSE = "predict images with an exported model"
EXAMPLES = """examples:
  cd deploy; python3 python/predict_cls.py -c configs/inference_cls.yaml
  python deploy/python/predict_cls.py -c deploy/configs/inference_cls.yaml \\
      -o Global.inference_model_dir=inference -o Global.infer_imgs=image_or_folder
  ppcls predict image_or_folder_or_list --model inference --out results.csv   # or .jsonl; resumable"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `ppcls predict`."""
    parser.add_argument("images", nargs="?", metavar="IMAGES", help="an image, a folder or a .txt list")
    parser.add_argument("--model", metavar="FOLDER", help="the exported folder, or an .onnx file")
    parser.add_argument("--out", metavar="FILE", help="write a .csv or .jsonl instead; complete it if it is there")
    add_config(parser, required=False)


def run(arguments: argparse.Namespace) -> int:
    """Predict what the deploy YAML or the arguments say; return 1 if an image could not be read, else 0."""
    from ppcls.config import load_deploy_config

    given = (("inference_model_dir", arguments.model), ("infer_imgs", arguments.images))
    options = [f"Global.{key}={json.dumps(value)}" for key, value in given if value is not None]
    config = load_deploy_config(arguments.config, [*arguments.override, *options])
    config.require("Global.infer_imgs", "predict")
    environment.keep_freed_memory()
    # What needs Paddle is imported only now that the config was found good.
    from ppcls.inference import answering

    return answering.answer(config, Path(arguments.out) if arguments.out else None)
