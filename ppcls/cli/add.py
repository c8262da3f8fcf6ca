"""The command `ppcls add`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ppcls.api.model import Model

PURPOSE = "add a class, or images to one, to the model of a run, without training"
EXAMPLES = """examples:
  ppcls add output/flowers tulip photos/tulips            # a folder, or images
  ppcls add output/flowers daisy one.jpg two.jpg"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `ppcls add`."""
    parser.add_argument("model", metavar="MODEL", help="the folder of a run, or one that Model.save wrote")
    parser.add_argument("name", metavar="CLASS", help="a new class, or one that the model has")
    parser.add_argument("images", nargs="+", metavar="IMAGES", help="images, folders or .txt lists")


def run(arguments: argparse.Namespace) -> int:
    """Add the images, and write model, export and report anew; return the exit status."""
    from ppcls.api.model import load
    from ppcls.engine import log

    log.start_console()
    model = load(arguments.model)
    count = model.add_class(arguments.name, arguments.images)
    replace(model, arguments.model, f"{count} images of '{arguments.name}'")
    return 0


def replace(model: "Model", folder: str, change: str) -> None:
    """Write a model whose classes have changed over the one in a folder, and then its report; say so."""
    from ppcls.report.writing import write_if_possible

    model.replace(folder)
    print(f"{change}; {model.about_classes}; exported to {folder}/inference", flush=True)
    page = write_if_possible(Path(folder), model.answering(Path(folder)))
    print(f"how good it is: {page}" if page else "the report of the model before is removed")
