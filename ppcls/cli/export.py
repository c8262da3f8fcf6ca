"""The command `ppcls export`, or tools/export_model.py."""

import argparse
import logging
import shlex

from ppcls.cli import next_command
from ppcls.cli.arguments import add_config
from ppcls.cli.starting import start_with_weights

logger = logging.getLogger("ppcls")

PURPOSE = "write the model, its preprocessing and its labels for Paddle Inference"
EXAMPLES = """examples:
  python tools/export_model.py -c configs/ResNet50.yaml \\
      -o Global.pretrained_model=output/ResNet50/best_model -o Global.save_inference_dir=inference
  python tools/export_model.py -c configs/ResNet50.yaml --format onnx --verify dataset/val_list.txt"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `ppcls export`."""
    add_config(parser)
    parser.add_argument(
        "--format",
        choices=("paddle", "onnx"),
        default="paddle",
        help="onnx: also write an ONNX file (default: %(default)s)",
    )
    parser.add_argument("--opset", type=int, default=17, help="opset of the ONNX file, 7 to 21 (default: %(default)s)")
    parser.add_argument("--verify", metavar="DATA", help="compare with the trained model on a folder or list")
    parser.add_argument(
        "--calibrate",
        nargs="?",
        const="f1",
        type=_goal,
        metavar="GOAL",
        help="fit to the images of Eval: temperature, a bar for 'none of these' and 90 %% sets; of several classes an "
        "image, a threshold each, for the best f1 (the default), precision=0.9 or recall=0.9",
    )


def _goal(text: str) -> tuple[str, float]:
    measure, equals, least = text.partition("=")
    try:
        share = float(least) if equals else 0.0
    except ValueError:
        share = -1.0
    if measure not in ("f1", "precision", "recall") or bool(equals) == (measure == "f1") or not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"must be f1, precision=0.9 or recall=0.9; received '{text}'")
    return measure, share


def run(arguments: argparse.Namespace) -> int:
    """Export the weights that the config names; return the exit status."""
    engine = start_with_weights(arguments)
    from ppcls.export.export import export

    opset = arguments.opset if arguments.format == "onnx" else None
    calibration, postprocess = None, None
    if arguments.calibrate:
        from ppcls.report.honest import fitted
        from ppcls.report.thresholds import Goal

        calibration, postprocess = fitted(engine.config, Goal(*arguments.calibrate))
    folder = export(engine, onnx_opset=opset, verify=arguments.verify, calibration=calibration, postprocess=postprocess)
    logger.info(f'Export succeeded! The inference model exported has been saved in "{folder}".')
    next_command.say("predict", f"{next_command.call('predict')} IMAGE_OR_FOLDER --model {shlex.quote(str(folder))}")
    return 0
