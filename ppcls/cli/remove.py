"""The command `ppcls remove`."""

import argparse

from ppcls.cli import add

PURPOSE = "remove a class from the model of a run, without training"
EXAMPLES = """examples:
  ppcls remove output/flowers tulip"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `ppcls remove`."""
    parser.add_argument("model", metavar="MODEL", help="the folder of a run, or one that Model.save wrote")
    parser.add_argument("name", metavar="CLASS", help="one of its classes")


def run(arguments: argparse.Namespace) -> int:
    """Remove the class, and write model, export and report anew; return the exit status."""
    from ppcls.api.model import load
    from ppcls.engine import log

    log.start_console()
    model = load(arguments.model)
    model.remove_class(arguments.name)
    add.replace(model, arguments.model, f"without '{arguments.name}'")
    return 0
