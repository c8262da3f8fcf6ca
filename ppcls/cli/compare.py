"""The command `ppcls compare`."""

import argparse
from pathlib import Path

PURPOSE = "compare two runs or exports on the same images"
EXAMPLES = """examples:
  ppcls compare output/a/ResNet50 output/b/ResNet50          # on the images that the first holds out
  ppcls compare inference-old inference-new --data dataset/flowers/val"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `ppcls compare`."""
    parser.add_argument("first", metavar="A", help="the folder of a run, or an exported model")
    parser.add_argument("second", metavar="B", help="another one")
    parser.add_argument("--data", metavar="DATA", help="labelled images; unset: those that the run holds out")
    parser.add_argument("--out", metavar="FOLDER", default="output/compare", help="for compare.html (%(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Print what differs, and write the page; return the exit status."""
    from ppcls.engine import log
    from ppcls.files import make_folder, write_text
    from ppcls.report.comparing import compare
    from ppcls.report.comparison_page import as_page
    from ppcls.report.sources import source_at

    log.start_console()
    found = compare(source_at(Path(arguments.first)), source_at(Path(arguments.second)), arguments.data)
    folder = Path(arguments.out)
    make_folder(folder, "--out")
    write_text(folder / "compare.html", as_page(found))
    print(found.as_text())
    print(folder / "compare.html")
    return 0
