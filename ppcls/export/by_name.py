"""Exported models by the name of their architecture: built from the official weights once, then kept."""

import json
import sys
from pathlib import Path

from ppcls import download
from ppcls.config.load import load_config
from ppcls.engine.engine import Engine
from ppcls.errors import CheckpointError
from ppcls.export.export import export
from ppcls.inference.artifact import DESCRIPTION
from ppcls.models import ARCHITECTURES
from ppcls.models.weights import resolve_pretrained

# How all architectures that have official weights so far were trained: on ImageNet-1k, evaluated at 224 px.
TRANSFORMS = [{"ResizeImage": {"resize_short": 256}}, {"CropImage": {"size": 224}}, {"NormalizeImage": {}}]
LABELS = "imagenet1k_label_list.txt"


def exported(name: str) -> Path:
    """Return the folder `$PPCLS_HOME/models/NAME`, which is made and exported to if it isn't there.

    Raises: ConfigError if there are no official weights; CheckpointError if they can't be had.
    """
    name = ARCHITECTURES.resolve(name)
    weights = resolve_pretrained(name, True, use_ssld=False)
    folder = download.folder("models", CheckpointError) / name
    if (folder / DESCRIPTION).is_file():  # the last of its files
        return folder
    print(f"{name}: exported once from {weights}, kept in {folder}", file=sys.stderr)
    options = {
        "Arch": {"name": name, "pretrained": True},
        "Global.device": "cpu",
        "Global.output_dir": str(folder.parent),
        "Global.save_inference_dir": str(folder),
        "Infer.transforms": TRANSFORMS,
        "Infer.PostProcess": {"name": "Topk", "class_id_map_file": LABELS},
    }
    return export(Engine(load_config(None, [f"{key}={json.dumps(value)}" for key, value in options.items()])))
