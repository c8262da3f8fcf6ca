"""The command `ppcls predict`, or deploy/python/predict_cls.py."""

import argparse
import dataclasses
from pathlib import Path

from ppcls import environment
from ppcls.cli.arguments import add_config, deploy_config
from ppcls.errors import ConfigError, did_you_mean
from ppcls.models import ARCHITECTURES

PURPOSE = "predict images with an exported model"
EXAMPLES = """examples:
  cd deploy; python3 python/predict_cls.py -c configs/inference_cls.yaml
  python deploy/python/predict_cls.py -c deploy/configs/inference_cls.yaml \\
      -o Global.inference_model_dir=inference -o Global.infer_imgs=image_or_folder
  ppcls predict image_or_folder_or_list --model inference --out results.csv   # or .jsonl; resumable
  ppcls predict image.jpg --model ResNet50            # with its official weights, downloaded once"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `ppcls predict`."""
    parser.add_argument("images", nargs="?", metavar="IMAGES", help="an image, a folder or a .txt list")
    parser.add_argument("--model", metavar="MODEL", help="an exported folder, an .onnx file, or a name: ResNet50")
    parser.add_argument("--out", metavar="FILE", help="write a .csv or .jsonl instead; an interrupted one is completed")
    parser.add_argument("--tta", action="store_true", help="the mean scores of each image and its mirror image")
    add_config(parser, required=False)


def _is_name(model: str) -> bool:
    """Return whether it is the name of an architecture. Raises ConfigError where it is near one, and nothing else."""
    if Path(model).exists():
        return False
    hint = did_you_mean(model, ARCHITECTURES.names())
    if model not in ARCHITECTURES and hint:
        raise ConfigError(f"--model: there is no folder, file or model '{model}'{hint}")
    return model in ARCHITECTURES


def run(arguments: argparse.Namespace) -> int:
    """Predict what the deploy YAML or the arguments say; return 1 if an image could not be read, else 0."""
    named = arguments.model is not None and _is_name(arguments.model)
    model = None if named else arguments.model
    config = deploy_config(arguments, "predict", model, ["Global.tta=True"] * arguments.tta)
    environment.keep_freed_memory()
    if named:
        from ppcls.export.by_name import exported

        folder = str(exported(arguments.model))
        config = dataclasses.replace(config, Global=dataclasses.replace(config.Global, inference_model_dir=folder))
    # What needs Paddle is imported only now that the config was found good.
    from ppcls.inference import answering

    return answering.answer(config, Path(arguments.out) if arguments.out else None)
