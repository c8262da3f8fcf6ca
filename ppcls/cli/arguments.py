"""Arguments that several commands share."""

import argparse
from typing import Callable, Optional


def add_config(
    parser: argparse.ArgumentParser,
    *,
    required: bool = True,
    group: Optional[argparse._MutuallyExclusiveGroup] = None,
) -> None:
    """Add `-c FILE`, to a `group` if there is something to give instead, and `-o KEY=VALUE`."""
    (group or parser).add_argument("-c", "--config", required=required, metavar="FILE", help="the YAML file of the run")
    parser.add_argument(
        "-o",
        "--override",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="set one key, e.g. Global.epochs=2 or Metric.Eval.0.TopkAcc.topk=[1]; repeatable; VALUE is YAML",
    )


def whole(name: str, least: int) -> Callable[[str], int]:
    """Return what reads a whole number from `least`; argparse calls it `name`."""

    def parse(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"must be a whole number from {least}; received '{text}'")
        return int(text)

    parse.__name__ = name
    return parse
