"""The command `ppcls models`."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Optional

from prettytable import PrettyTable

import ppcls
from ppcls.cli.arguments import above_zero
from ppcls.errors import ConfigError
from ppcls.models.cards import cards_of, size_of

PURPOSE = "list architectures: their size, official weights, reported accuracy, and speed on this machine"
EXAMPLES = """examples:
  ppcls models                       # all
  ppcls models 'mobilenet*' --pretrained
  ppcls models 'PPLCNet*' --max-ms 10    # those that take at most 10 ms an image; each is timed once, then remembered
  ppcls models ResNet50_vd --json"""

COLUMNS = ("name", "parameters", "GFLOPs", "input", "weights", "top-1", "licence", "source")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `ppcls models`."""
    parser.add_argument("pattern", nargs="?", default="*", metavar="PATTERN", help="a shell pattern, in any case")
    parser.add_argument("--pretrained", action="store_true", help="those with official weights alone")
    parser.add_argument("--max-ms", type=above_zero, metavar="MS", help="those that take no longer for one image")
    parser.add_argument("--json", action="store_true", help="print a list of objects")


def run(arguments: argparse.Namespace) -> int:
    """Print the architectures. Raises ConfigError if there is none."""
    names = ppcls.list_models(arguments.pattern, pretrained=arguments.pretrained)
    if not names:
        kind = "architecture with official weights" if arguments.pretrained else "architecture"
        raise ConfigError(f"PATTERN: no {kind} matches '{arguments.pattern}'; `ppcls models` lists all")
    times: Optional[dict[str, float]] = None
    if arguments.max_ms is not None:
        from ppcls.export.speed import milliseconds  # which needs paddle

        times = {name: ms for name, ms in milliseconds(names, arguments.max_ms).items() if ms <= arguments.max_ms}
        names = sorted(times, key=times.__getitem__)
    if arguments.json:
        print(json.dumps([{**facts(name), **({"ms": times[name]} if times else {})} for name in names], indent=1))
    else:
        print(table(names, times))
        print("FLOPs: forward, of one image; a multiply-add is two. Top-1: as reported, of ImageNet-1k.")
    return 0


def facts(name: str) -> dict[str, Any]:
    """Return what is known of an architecture."""
    size = size_of(name)
    return {"name": name, **size._asdict(), "flops": size.flops, "weights": [asdict(card) for card in cards_of(name)]}


def table(names: Sequence[str], times: Optional[dict[str, float]]) -> PrettyTable:
    """Return the architectures, each with a row for each of its official weights."""
    shown = PrettyTable([*COLUMNS, *(["ms"] if times else [])], align="l")
    for name in names:
        for row in rows(name):
            shown.add_row([*row, *([f"{times[name]:.2f}"] if times else [])])
    return shown


def rows(name: str) -> list[list[str]]:
    """Return the COLUMNS of an architecture, a row for each of its official weights."""
    size = size_of(name)
    first = [name, f"{size.parameters / 1e6:.2f} M", f"{size.flops / 1e9:.2f}", f"{size.image_px} px"]
    weights = [
        [card.tag, "" if card.top1 is None else f"{card.top1:.4f}", card.licence, card.source]
        for card in cards_of(name)
    ]
    return [[*first, *columns] for columns in weights or [["none", "", "", ""]]]
