"""Writes ppcls/models/cards/architectures.tsv: the input, parameters and multiply-adds of the architectures.

    python benchmarks/sizes.py [NAME...]

Builds each one (the NAMEs alone, or those that the table lacks) with its initial weights, and runs one image through
the form that is deployed. `make docs` does it for new architectures. The size of a new one's input stands in
weights.tsv, or is 224 pixels. What a config composes of others, as RecModel, has no size of its own.
"""

import argparse
import csv
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import paddle

from ppcls.engine.macs import count_macs
from ppcls.models import ARCHITECTURES
from ppcls.models.cards import SIZES_FILE, Size, cards_of, sizes
from ppcls.models.model import Model


def is_composed(name: str) -> bool:
    constructor = ARCHITECTURES.load(name)
    return isinstance(constructor, type) and not issubclass(constructor, Model)


def size_of(name: str, image_px: int) -> Size:
    """Return the size of an architecture in the form that is deployed."""
    model = ARCHITECTURES.load(name)()
    model.eval()
    model = model.deployable()
    model.eval()
    with paddle.no_grad():
        multiply_adds, _ = count_macs(model, paddle.zeros([1, 3, image_px, image_px]))
    parameters = sum(parameter.size for parameter in model.parameters() if parameter.trainable)
    return Size(image_px, parameters, multiply_adds)


def write(known: dict[str, Size]) -> None:
    with SIZES_FILE.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, delimiter="\t", lineterminator="\n")
        rows.writerow(["architecture", *Size._fields])
        rows.writerows([name, *known[name]] for name in ARCHITECTURES.names() if name in known)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    known = dict(sizes())
    new = [name for name in ARCHITECTURES.names() if name not in known and not is_composed(name)]
    for name in parser.parse_args().names or new:
        cards = cards_of(name)
        known[name] = size_of(name, known[name].image_px if name in known else cards[0].crop_px if cards else 224)
        print(name, *known[name], flush=True)
        write(known)


if __name__ == "__main__":
    main()
