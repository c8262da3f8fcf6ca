"""The command `ppcls add`."""

import argparse

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
    """Add the images, and write model and export anew; return the exit status."""
    from ppcls.api.model import load

    model = load(arguments.model)
    count = model.add_class(arguments.name, arguments.images)
    model.replace(arguments.model)
    print(f"{count} images of '{arguments.name}'; {model.about_classes}; exported to {arguments.model}/inference")
    return 0
