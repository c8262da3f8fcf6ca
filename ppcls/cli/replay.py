"""The command `ppcls replay`."""

import argparse
from pathlib import Path

PURPOSE = "train a run again, and prove that its bits are the same"
EXAMPLES = """examples:
  ppcls replay output/ResNet50        # exit status 0: equal; 1: not, and the first difference is named"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `ppcls replay`."""
    parser.add_argument("run", metavar="RUN", help="the folder of a run")


def run(arguments: argparse.Namespace) -> int:
    """Train it again; return 0 if all is equal, else 1."""
    from ppcls.engine import log
    from ppcls.report.replay import replay

    log.start_console()
    differences = replay(Path(arguments.run))
    changed = [line for line in differences if line.startswith(("steps", "tensors"))]
    print("\n".join(differences))
    if changed:
        print(f"not equal: {differences[0]}")
        return 1
    print("equal, bit for bit: every number of the log, every weight and every state of the optimizer")
    return 0
