"""PaddleClas's YAMLs of PP-ShiTu: of a detector, a model that gives features, and an index to search in."""

from typing import Optional

from ppcls.config.read import Node
from ppcls.config.rewrite import Notes, Rule, get, without

_BUILD_GALLERY = "deploy/python/build_gallery.py"
_OF_DETECTOR = (
    "det_inference_model_dir",
    "rec_nms_thresold",
    "image_shape",
    "threshold",
    "max_det_results",
    "label_list",
)
# What stands for a choice that is not there: the search is exact, and the command says what is done.
_INDEX = ("index_method", "embedding_size", "batch_size", "index_operation")


def _without_detector(root: Node, notes: Notes) -> Node:
    """Leave what recognizes whole images, where the YAML has that; a detector alone stays, and is refused."""
    if not isinstance(root.value, dict) or "DetPreProcess" not in root.value or "RecPreProcess" not in root.value:
        return root
    notes.say(root.value["DetPreProcess"], "there is no detector here; each image is taken for one object")
    for key in ("DetPreProcess", "DetPostProcess"):
        root = without(root, key)
    settings = get(root, "Global")
    if settings is not None and isinstance(settings.value, dict):
        for key in _OF_DETECTOR:
            settings = without(settings, key)
        root = Node({**root.value, "Global": settings}, root.where)  # type: ignore[dict-item]
    return root


def _index(section: Node, notes: Notes) -> Optional[Node]:
    if not isinstance(section.value, dict):
        return section
    unused = [key for key in _INDEX if key in section.value]
    if unused:
        why = "the search is exact, and the command says what is done"
        notes.say(section, f"IndexProcess: {why}; ignored: {', '.join(unused)}")
    for key in unused:
        section = without(section, key)
    kind = get(section, "dist_type")
    return without(section, "dist_type") if kind is not None and kind.value == "IP" else section


RULES = (
    Rule("", "what is of a detector is ignored beside `RecPreProcess`; an image is one object", _BUILD_GALLERY,
         _without_detector),
    Rule("IndexProcess", "`dist_type: IP` is the only one; `" + "`, `".join(_INDEX) + "` are ignored: the search is "
         "exact, and the command says what is done", _BUILD_GALLERY, _index),
)  # fmt: skip
