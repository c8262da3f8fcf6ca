"""Swin Transformer, ViT, DeiT and CLIP's visual towers, of torchvision, timm, Hugging Face, OpenAI and the authors."""

import re
from dataclasses import replace
from typing import Any

import numpy as np

from ppcls.models.adapters.adapter import Adapter, keep_buffers
from ppcls.models.weight_files import Arrays


def _shifts_single_windows(model: Any) -> str:
    if not model.shift_single_windows:
        return ""
    return "does not shift windows that hold the whole image: set Arch.shift_single_windows to False"


SWIN_QKV = "layers.0.blocks.0.attn.qkv.weight"


def _without_masks(arrays: Arrays) -> Arrays:
    """Drop what follows from the sizes."""
    return {name: array for name, array in arrays.items() if not name.endswith("attn_mask")}


SWIN = (
    Adapter(
        "torchvision",
        ("features.0.0.weight", "features.1.0.attn.qkv.weight"),
        (
            (r"^features\.0\.0\.", "patch_embed.proj."),
            (r"^features\.0\.2\.", "patch_embed.norm."),
            (r"^features\.([246])\.", lambda match: f"layers.{int(match[1]) // 2 - 1}.downsample."),
            (r"^features\.([1357])\.", lambda match: f"layers.{int(match[1]) // 2}.blocks."),
            (r"\.mlp\.0\.", ".mlp.fc1."),
            (r"\.mlp\.3\.", ".mlp.fc2."),
        ),
        finish=keep_buffers,
        obstacle=_shifts_single_windows,
    ),
    Adapter(  # whose second to fourth stage begin with what ends our first to third
        "timm",
        (SWIN_QKV, "head.fc.weight"),
        (
            (r"^layers\.([123])\.downsample\.", lambda match: f"layers.{int(match[1]) - 1}.downsample."),
            (r"^head\.fc\.", "head."),
        ),
        finish=keep_buffers,
        obstacle=_shifts_single_windows,
    ),
    Adapter(
        "Microsoft",
        ("head.weight",),
        prepare=_without_masks,
        finish=keep_buffers,
        obstacle=_shifts_single_windows,
        tall=SWIN_QKV,
    ),
)

# timm's files of ViT, Meta's of DeiT, MoCo v3 and MAE.
OUR_NAMES = Adapter("PyTorch", (), tall="blocks.0.attn.qkv.weight")

TORCHVISION_VIT = Adapter(
    "torchvision",
    ("class_token", "conv_proj.weight", "encoder.pos_embedding"),
    (
        (r"^class_token$", "cls_token"),
        (r"^encoder\.pos_embedding$", "pos_embed"),
        (r"^conv_proj\.", "patch_embed.proj."),
        (r"^encoder\.layers\.encoder_layer_(\d+)\.", r"blocks.\1."),
        (r"\.ln_([12])\.", r".norm\1."),
        (r"\.self_attention\.in_proj_", ".attn.qkv."),
        (r"\.self_attention\.out_proj\.", ".attn.proj."),
        (r"\.mlp\.(?:0|linear_1)\.", ".mlp.fc1."),
        (r"\.mlp\.(?:3|linear_2)\.", ".mlp.fc2."),
        (r"^encoder\.ln\.", "norm."),
        (r"^heads\.head\.", "head."),
    ),
)

VIT = (TORCHVISION_VIT, OUR_NAMES)
DEIT = (OUR_NAMES,)


def _visual(prefix: str, arrays: Arrays) -> Arrays:
    """Return what stands below `prefix`, without it: the rest is the tower of texts."""
    return {name[len(prefix) :]: array for name, array in arrays.items() if name.startswith(prefix)}


def _from_hugging_face(arrays: Arrays) -> Arrays:
    """Return the visual tower, with the projection, and with queries, keys and values as one."""
    tower = _visual("vision_model.", arrays)
    if "visual_projection.weight" in arrays:
        tower["proj"] = arrays["visual_projection.weight"].T
    joined = {}
    for name, array in tower.items():
        if match := re.fullmatch(r"(.*\.self_attn\.)q_proj\.(weight|bias)", name):
            parts = (tower[f"{match[1]}{part}_proj.{match[2]}"] for part in "qkv")
            joined[f"{match[1]}qkv.{match[2]}"] = np.concatenate(list(parts))
        elif not re.search(r"\.self_attn\.[kv]_proj\.", name):
            joined[name] = array
    return {name: array for name, array in joined.items() if not name.endswith("position_ids")}


def _with_projection(model: Any, arrays: Arrays) -> Arrays:
    """Return `arrays` with the model's own projection where nothing depends on it."""
    if model.return_embed or arrays.get("proj", np.empty(0)).shape == tuple(model.proj.shape):
        return arrays
    return {**arrays, "proj": model.proj.numpy()}


def _as_embeddings(model: Any, arrays: Arrays) -> Arrays:
    """Give the token and the positions our axes."""
    width = arrays["cls_token"].size
    shaped = {name: arrays[name].reshape(1, -1, width) for name in ("cls_token", "pos_embed")}
    return _with_projection(model, {**arrays, **shaped})


CLIP = (
    Adapter(
        "OpenAI",
        ("visual.class_embedding", "visual.conv1.weight"),
        (
            (r"^class_embedding$", "cls_token"),
            (r"^positional_embedding$", "pos_embed"),
            (r"^conv1\.", "patch_embed.proj."),
            (r"^transformer\.resblocks\.", "blocks."),
            (r"\.ln_([12])\.", r".norm\1."),
            (r"\.attn\.in_proj_", ".attn.qkv."),
            (r"\.attn\.out_proj\.", ".attn.proj."),
            (r"\.mlp\.c_fc\.", ".mlp.fc1."),
            (r"\.mlp\.c_proj\.", ".mlp.fc2."),
            (r"^ln_post\.", "norm."),
        ),
        prepare=lambda arrays: _visual("visual.", arrays),
        finish=_as_embeddings,
    ),
    Adapter(
        "Hugging Face",
        ("vision_model.embeddings.class_embedding", "vision_model.embeddings.patch_embedding.weight"),
        (
            (r"^embeddings\.class_embedding$", "cls_token"),
            (r"^embeddings\.position_embedding\.weight$", "pos_embed"),
            (r"^embeddings\.patch_embedding\.", "patch_embed.proj."),
            (r"^pre_layrnorm\.", "ln_pre."),  # its spelling
            (r"^encoder\.layers\.", "blocks."),
            (r"\.layer_norm([12])\.", r".norm\1."),
            (r"\.self_attn\.qkv\.", ".attn.qkv."),
            (r"\.self_attn\.out_proj\.", ".attn.proj."),
            (r"^post_layernorm\.", "norm."),
        ),
        prepare=_from_hugging_face,
        finish=_as_embeddings,
    ),
    Adapter(
        "timm",
        ("norm_pre.weight", "blocks.0.attn.qkv.weight"),
        ((r"^norm_pre\.", "ln_pre."), (r"^head\.", "head.fc_head.")),
        finish=_as_embeddings,
    ),
    replace(OUR_NAMES, finish=_with_projection),
)
