"""Writes ppcls/models/cards/architectures.tsv: the input, parameters and multiply-adds of every architecture.

    python benchmarks/sizes.py [NAME...]

Builds each one (the NAMEs alone, or those that the table lacks) with its initial weights, and runs one image through
the form that is deployed. `make docs` does it for new architectures. The size of a new one's input stands in
weights.tsv, or is 224 pixels.
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
    for name in parser.parse_args().names or [name for name in ARCHITECTURES.names() if name not in known]:
        cards = cards_of(name)
        known[name] = size_of(name, known[name].image_px if name in known else cards[0].crop_px if cards else 224)
        print(name, *known[name], flush=True)
        write(known)


if __name__ == "__main__":
    main()
