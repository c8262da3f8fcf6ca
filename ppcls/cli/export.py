"""The command `ppcls export`, or tools/export_model.py."""

import argparse
import shlex

from ppcls.cli import next_command
from ppcls.cli.arguments import add_config
from ppcls.cli.starting import start_with_weights

PURPOSE = "write the model, its preprocessing and its labels for Paddle Inference"
EXAMPLES = """examples:
  python tools/export_model.py -c configs/ResNet50.yaml \\
      -o Global.pretrained_model=output/ResNet50/best_model -o Global.save_inference_dir=inference
  python tools/export_model.py -c configs/ResNet50.yaml --format onnx --verify dataset/val_list.txt"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `ppcls export`."""
    add_config(parser)
    parser.add_argument("--format", choices=("paddle", "onnx"), default="paddle", help="onnx: that too (%(default)s)")
    parser.add_argument("--opset", type=int, default=17, help="of the ONNX file, 7 to 21 (%(default)s)")
    parser.add_argument("--verify", metavar="DATA", help="compare with the trained model on a folder or list")
    parser.add_argument(
        "--calibrate", action="store_true", help="fit temperature, a bar for 'none of these' and 90 %% sets on Eval"
    )


def run(arguments: argparse.Namespace) -> int:
    """Export the weights that the config names; return the exit status."""
    engine = start_with_weights(arguments)
    from ppcls.export.export import export

    opset = arguments.opset if arguments.format == "onnx" else None
    calibration = None
    if arguments.calibrate:
        from ppcls.report.honest import fitted

        calibration = fitted(engine.config)
    folder = export(engine, onnx_opset=opset, verify=arguments.verify, calibration=calibration)
    next_command.say("predict", f"{next_command.call('predict')} PICTURE_OR_FOLDER --model {shlex.quote(str(folder))}")
    return 0
