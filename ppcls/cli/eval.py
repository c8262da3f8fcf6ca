"""The command `ppcls eval`, or tools/eval.py."""

import argparse

from ppcls.cli import next_command
from ppcls.cli.arguments import add_config
from ppcls.cli.starting import start_with_weights

PURPOSE = "measure a trained model on the whole evaluation set"
EXAMPLES = """examples:
  python tools/eval.py -c configs/ResNet50.yaml -o Global.pretrained_model=output/ResNet50/best_model"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `ppcls eval`."""
    add_config(parser)
    parser.add_argument("--tta", action="store_true", help="the mean scores of each image and its mirror image")


def run(arguments: argparse.Namespace) -> int:
    """Evaluate the weights that the config names; return the exit status."""
    if arguments.tta:
        arguments.override.append("Global.tta=True")
    start_with_weights(arguments).evaluate_weights()
    next_command.say("export", f"{next_command.call('export')} {next_command.options(arguments)}")
    return 0
