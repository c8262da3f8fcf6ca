"""The cards of official weights, and the sizes of architectures, from their tables."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Optional, Union

from ppcls.class_names import read_label_map
from ppcls.errors import ConfigError

SIZES_FILE = Path(__file__).with_name("architectures.tsv")
WEIGHTS_FILE = Path(__file__).with_name("weights.tsv")
OFFICIAL = "https://paddle-imagenet-models-name.bj.bcebos.com/dygraph/"
UNKNOWN = "-"

Colour = tuple[float, float, float]
# Mean and standard deviation of pixels from 0 to 1, red first.
NORMALISATIONS: Mapping[str, tuple[Colour, Colour]] = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "128": ((128 / 255, 128 / 255, 128 / 255), (128 / 255, 128 / 255, 128 / 255)),
    "none": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}


class Size(NamedTuple):
    """How large an architecture is in the form that is deployed, with the classes that it has by default.

    `multiply_adds` are those of one image of `image_px` x `image_px`.
    """

    image_px: int
    parameters: int
    multiply_adds: int

    @property
    def flops(self) -> int:
        """Return the floating-point operations: a multiply-add is two."""
        return 2 * self.multiply_adds


@dataclass(frozen=True)
class ModelCard:
    """Official weights of an architecture: where they are, what they take, and what is reported of them.

    An architecture's first card is its default one. `top1` is that of the 50,000 validation images of ImageNet-1k, 0
    to 1. `labels` names a list in ppcls/assets; None for weights without a classifier. `source` trained them, and
    `licence` is theirs.
    """

    architecture: str
    tag: str
    url: str
    sha256: Optional[str]
    top1: Optional[float]
    resize_px: int
    crop_px: int
    interpolation: str
    backend: str
    mean: Colour
    std: Colour
    labels: Optional[str]
    licence: str
    source: str

    @property
    def location(self) -> str:
        """Return the URL with the checksum that a download of it must have, where that is known."""
        return self.url + (f"#sha256={self.sha256}" if self.sha256 else "")

    def transforms(self) -> list[dict[str, Any]]:
        """Return how an evaluation prepares an image, as a YAML says it."""
        resize = {"resize_short": self.resize_px, "interpolation": self.interpolation, "backend": self.backend}
        return [
            {"ResizeImage": resize},
            {"CropImage": {"size": self.crop_px}},
            {"NormalizeImage": {"mean": list(self.mean), "std": list(self.std)}},
        ]


def _rows(file: Path) -> Iterator[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines, delimiter="\t")


def _card(row: Mapping[str, str]) -> ModelCard:
    mean, std = NORMALISATIONS[row["normalisation"]]
    backend, _, interpolation = row["interpolation"].rpartition("-")
    known = {key: None if value == UNKNOWN else value for key, value in row.items()}
    return ModelCard(
        architecture=row["architecture"],
        tag=row["tag"],
        url=row["file"] if "://" in row["file"] else OFFICIAL + row["file"],
        sha256=known["sha256"],
        top1=None if known["top1"] is None else float(known["top1"]),
        resize_px=int(row["resize_px"]),
        crop_px=int(row["crop_px"]),
        interpolation=interpolation,
        backend=backend or "cv2",
        mean=mean,
        std=std,
        labels=known["labels"],
        licence=row["licence"],
        source=row["source"],
    )


@cache
def _all_cards() -> Mapping[str, tuple[ModelCard, ...]]:
    cards: dict[str, tuple[ModelCard, ...]] = {}
    for row in _rows(WEIGHTS_FILE):
        cards[row["architecture"]] = (*cards.get(row["architecture"], ()), _card(row))
    return cards


@cache
def sizes() -> Mapping[str, Size]:
    """Return the size of every architecture, but for those that a config composes of others."""
    return {row["architecture"]: Size(*(int(row[field]) for field in Size._fields)) for row in _rows(SIZES_FILE)}


def size_of(name: str) -> Size:
    """Return the size of an architecture."""
    return sizes()[name]


def cards_of(name: str) -> tuple[ModelCard, ...]:
    """Return the cards of an architecture, the default one first; none where there are no official weights."""
    return _all_cards().get(name, ())


def card_of(name: str, tag: Optional[str] = None) -> ModelCard:
    """Return the card of a tag, or the default one. Raises ConfigError where there is none."""
    cards = cards_of(name)
    found = [card for card in cards if tag in (None, card.tag)]
    if not found:
        kind = f"'{tag}' weights" if tag else "weights"
        tags = f"it has {', '.join(card.tag for card in cards)}; " if cards else ""
        hint = f"{tags}`ppcls models --pretrained` lists all"
        raise ConfigError(f"Arch.pretrained: no official {kind} for {name}; {hint}")
    return found[0]


def class_names_of(location: str) -> list[str]:
    """Return the names of the classes of the official weights that are there; empty for all others."""
    cards = (card for found in _all_cards().values() for card in found)
    labels = next((card.labels for card in cards if card.location == location), None)
    return read_label_map(f"{labels}_label_list.txt") if labels else []


def resolve_pretrained(name: str, pretrained: Union[bool, str], use_ssld: bool) -> Optional[str]:
    """Return the path or URL that `Arch.pretrained` and `Arch.use_ssld` stand for; None for no weights.

    Raises: ConfigError if there are no such official weights, or if `use_ssld` would have no effect.
    """
    if use_ssld and pretrained is not True:
        raise ConfigError(
            f"Arch.use_ssld: chooses among official weights only; received pretrained: {pretrained}; "
            "set Arch.pretrained to True or leave use_ssld out"
        )
    if pretrained is True:
        return card_of(name, "ssld" if use_ssld else None).location
    if isinstance(pretrained, str) and pretrained in (card.tag for card in cards_of(name)):
        return card_of(name, pretrained).location
    return pretrained or None
