"""Exported models by the name of their architecture: built from the official weights once, then kept."""

import sys
from pathlib import Path
from typing import Any

from ppcls import download
from ppcls.class_names import read_label_map
from ppcls.config.load import as_overrides, load_config
from ppcls.engine.engine import Engine
from ppcls.errors import CheckpointError, ConfigError
from ppcls.export.export import export
from ppcls.inference.artifact import DESCRIPTION
from ppcls.models import ARCHITECTURES
from ppcls.models.cards import card_of, cards_of

# Of most architectures. Source: the YAMLs of PaddleClas.
USUAL_TRANSFORMS = [
    {"ResizeImage": {"resize_short": 256}},
    {"CropImage": {"size": 224}},
    {"NormalizeImage": {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}},
]


def exported(name: str) -> Path:
    """Return the folder `$PPCLS_HOME/models/NAME`, which is made and exported to if it isn't there.

    Raises: ConfigError if there are no official weights that classify; CheckpointError if they can't be had.
    """
    name = ARCHITECTURES.resolve(name)
    card = card_of(name)
    if card.labels is None:
        raise ConfigError(f"--model: the official weights of {name} have no classifier; train one on them")
    folder = download.folder("models", CheckpointError) / name
    if (folder / DESCRIPTION).is_file():  # the last of its files
        return folder
    print(f"{name}: exported once from {card.url}, kept in {folder}", file=sys.stderr)
    options = {
        **options_of(name, pretrained=True),
        "Global.device": "cpu",
        "Global.output_dir": str(folder.parent),
        "Global.save_inference_dir": str(folder),
    }
    return export(Engine(load_config(None, as_overrides(options))))


def options_of(name: str, *, pretrained: bool) -> dict[str, Any]:
    """Return the options of a config that predicts as a model's official weights were evaluated, or as most were."""
    options: dict[str, Any] = {"Arch": {"name": name, "pretrained": pretrained}}
    if not cards_of(name):
        return {**options, "Infer.transforms": USUAL_TRANSFORMS}
    card = card_of(name)
    options["Infer.transforms"] = card.transforms()
    options["Global.image_shape"] = [3, card.crop_px, card.crop_px]
    if card.labels:
        labels = f"{card.labels}_label_list.txt"
        options["Arch"]["class_num"] = len(read_label_map(labels))
        options["Infer.PostProcess"] = {"name": "Topk", "class_id_map_file": labels}
    return options
