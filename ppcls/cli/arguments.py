"""Arguments that several commands share."""

import argparse
import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Callable, Optional

if TYPE_CHECKING:
    from ppcls.config import DeployConfig


def add_config(
    parser: argparse.ArgumentParser,
    *,
    required: bool = True,
    group: Optional[argparse._MutuallyExclusiveGroup] = None,
) -> None:
    """Add `-c FILE`, to a `group` if there is something to give instead, and `-o KEY=VALUE`."""
    (group or parser).add_argument("-c", "--config", required=required, metavar="FILE", help="the YAML file of the run")
    parser.add_argument(
        "-o",
        "--override",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="set one key, e.g. Global.epochs=2 or Metric.Eval.0.TopkAcc.topk=[1]; repeatable; VALUE is YAML",
    )


def add_images_and_model(parser: argparse.ArgumentParser) -> None:
    """Add IMAGES and `--model`, which stand for keys of the deploy YAML."""
    parser.add_argument("images", nargs="?", metavar="IMAGES", help="an image, a folder or a .txt list")
    parser.add_argument("--model", metavar="MODEL", help="an exported folder, or an .onnx file")
    add_config(parser, required=False)


def add_index_engine(parser: argparse.ArgumentParser) -> None:
    """Add `--index-engine`."""
    parser.add_argument(
        "--index-engine",
        choices=("numpy", "faiss"),
        default="numpy",
        help="what searches in the index, exactly; faiss is for millions of images (default: %(default)s)",
    )


def deploy_config(
    arguments: argparse.Namespace, command: str, model: Optional[str], options: Sequence[str] = ()
) -> "DeployConfig":
    """Return the deploy YAML with the images of the arguments and the model. Raises ConfigError."""
    from ppcls.config import load_deploy_config

    given = (("inference_model_dir", model), ("infer_imgs", arguments.images))
    chosen = [f"Global.{key}={json.dumps(value)}" for key, value in given if value is not None]
    config = load_deploy_config(arguments.config, [*arguments.override, *chosen, *options])
    if config.IndexProcess.data_file is None:
        config.require("Global.infer_imgs", command)
    return config


def whole(least: int) -> Callable[[str], int]:
    """Return what reads a whole number from `least`."""

    def parse(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"must be a whole number from {least}; received '{text}'")
        return int(text)

    return parse


def number(wanted: str, fits: Callable[[float], bool]) -> Callable[[str], float]:
    """Return what reads a number that fits; `wanted` says in words which those are."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not fits(value):
            raise argparse.ArgumentTypeError(f"must be a number {wanted}; received '{text}'")
        return value

    return parse


above_zero = number("above 0", lambda value: 0 < value < math.inf)
