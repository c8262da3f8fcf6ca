"""What is known of each architecture: its size, and its official weights, a card each.

weights.tsv and architectures.tsv hold the facts. Source of the files' addresses, of the way that images are prepared
and of the accuracies: PaddleClas's backbones, its YAMLs and its documents of models; of the sizes: benchmarks/sizes.py.
"""

from ppcls.models.cards.card import (
    SIZES_FILE,
    ModelCard,
    Size,
    card_of,
    cards_of,
    class_names_of,
    resolve_pretrained,
    size_of,
    sizes,
)

__all__ = [
    "SIZES_FILE",
    "ModelCard",
    "Size",
    "card_of",
    "cards_of",
    "class_names_of",
    "resolve_pretrained",
    "size_of",
    "sizes",
]
