"""The command `ppcls lr`."""

import argparse
from pathlib import Path

from ppcls.cli.arguments import add_config, whole

PURPOSE = "find a learning rate: train a little while it rises, and look at the loss"
EXAMPLES = """examples:
  ppcls lr -c configs/ResNet18.yaml                  # prints a rate, writes lr.svg and lr.csv
  ppcls lr -c output/flowers/config.yaml --steps 50 --out curves"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `ppcls lr`."""
    add_config(parser)
    parser.add_argument("--first", type=float, default=1e-5, metavar="LR", help="the lowest rate (%(default)s)")
    parser.add_argument("--last", type=float, default=1.0, metavar="LR", help="the highest rate (%(default)s)")
    parser.add_argument("--steps", type=whole(10), default=100, help="updates (%(default)s)")
    parser.add_argument("--out", default=".", metavar="FOLDER", help="for lr.svg and lr.csv (%(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Find the rate, print it and write the curve; return the exit status."""
    from ppcls.config import load_config
    from ppcls.errors import ConfigError, TrainingError
    from ppcls.files import make_folder, write_text

    if not 0 < arguments.first < arguments.last:
        raise ConfigError(f"--first: must be above 0 and below --last; received {arguments.first}, {arguments.last}")
    config = load_config(arguments.config, [*arguments.override, "Global.checkpoints=null"])
    from ppcls.cli.starting import start
    from ppcls.engine import lr_finder

    found = lr_finder.find(start(config), arguments.first, arguments.last, arguments.steps)
    folder = Path(arguments.out)
    make_folder(folder, "--out")
    rows = "".join(f"{rate:.6g},{loss:.6g}\n" for rate, loss in zip(found.rates, found.losses))
    write_text(folder / "lr.csv", f"learning_rate,loss\n{rows}")
    write_text(folder / "lr.svg", lr_finder.curve(found))
    if found.suggested < arguments.first:
        raise TrainingError(
            f"lr: the loss is least near the lowest rate; see {folder}/lr.svg; received --first {arguments.first}; "
            "lower it, or take larger batches"
        )
    print(
        f"learning rate {found.suggested:.2g}: -o Optimizer.lr.learning_rate={found.suggested:.2g}; see {folder}/lr.svg"
    )
    return 0
