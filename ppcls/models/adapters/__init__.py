"""Weights by the names of other programs: which module of adapters has those of which family."""

import importlib
from typing import Any

from ppcls.models.adapters.adapter import Adapter

# The module of a model's class, and where its adapters are.
ADAPTERS = {
    "ppcls.models.resnet": "resnet.RESNET",
    "ppcls.models.resnext": "resnet.RESNEXT",
    "ppcls.models.resnext_wsl": "resnet.RESNEXT_WSL",
    "ppcls.models.mobilenetv2": "mobile.MOBILENETV2",
    "ppcls.models.efficientnet": "mobile.EFFICIENTNET",
    "ppcls.models.densenet": "convnets.DENSENET",
    "ppcls.models.regnet": "convnets.REGNET",
    "ppcls.models.convnext": "convnets.CONVNEXT",
    "ppcls.models.swin_transformer": "transformers.SWIN",
    "ppcls.models.vision_transformer": "transformers.VIT",
    "ppcls.models.distilled_vision_transformer": "transformers.DEIT",
    "ppcls.models.foundation_vit": "transformers.CLIP",
}


def adapters_for(model: Any) -> tuple[Adapter, ...]:
    """Return the adapters of a model's family; none for most."""
    place = ADAPTERS.get(type(model).__module__)
    if place is None:
        return ()
    module, _, name = place.partition(".")
    found: tuple[Adapter, ...] = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    return found
