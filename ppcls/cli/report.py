"""The command `ppcls report`."""

import argparse
from pathlib import Path

PURPOSE = "write one page on a model: classes, errors, calibration, doubtful labels"
EXAMPLES = """examples:
  ppcls report output/ResNet50                     # of a run, on the images that it holds out
  ppcls report inference --data dataset/flowers    # of an export, on a folder with one folder a class, or a list"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `ppcls report`."""
    parser.add_argument("model", metavar="RUN_OR_EXPORT", help="the folder of a run, or an exported model")
    parser.add_argument("--data", metavar="DATA", help="labelled images; unset: those that the run holds out")
    parser.add_argument("--out", metavar="FOLDER", help="where report.html goes; by default into the model's folder")


def run(arguments: argparse.Namespace) -> int:
    """Write the report; return the exit status."""
    from ppcls.engine import log
    from ppcls.report.content import collect
    from ppcls.report.sources import source_at
    from ppcls.report.writing import write_report

    log.start_console()
    model = Path(arguments.model)
    out = Path(arguments.out) if arguments.out else model if model.is_dir() else model.parent
    print(write_report(collect(source_at(model), arguments.data), out))
    return 0
