"""What PaddleX reads of a run: `train_result.json`, which says where its checkpoints are and how good they are.

Source: update_train_results in ppcls/utils/save_result.py of PaddleClas 2.6.
"""

import json
import re
from pathlib import Path
from typing import Any

from ppcls.config.schema import RunConfig
from ppcls.engine import checkpoints
from ppcls.files import write_text
from ppcls.models.weight_files import about

NUM_LAST = 5


def write(config: RunConfig, folder: Path, *, done: bool) -> None:
    """Write it into `Global.output_dir`, for the run in `folder` below that; paths are relative to it."""
    root = folder.parent
    epochs = sorted(
        (file.with_suffix("") for file in folder.glob("epoch_*.pdstates") if re.fullmatch(r"epoch_\d+", file.stem)),
        key=lambda prefix: -int(prefix.name[len("epoch_") :]),
    )
    models = {f"last_{number + 1}": _entry(root, prefix) for number, prefix in enumerate(epochs[:NUM_LAST])}
    best = folder / "best_model"
    result = {
        "model_name": config.model_name,
        "label_dict": _label_dict(config),
        "train_log": f"{folder.name}/train.log",
        "visualdl_log": f"{folder.name}/vdl" if config.Global.use_visualdl else "",
        "config": f"{folder.name}/config.yaml",
        "models": {**models, "best": _entry(root, best) if best.with_suffix(".pdparams").is_file() else {}},
        "done_flag": done,
    }
    write_text(root / "train_result.json", json.dumps(result, indent=2) + "\n")


def _entry(root: Path, prefix: Path) -> dict[str, Any]:
    paths = {suffix[1:]: str(prefix.with_suffix(suffix).relative_to(root)) for suffix in checkpoints.SUFFIXES}
    results = about(str(prefix)).get("results") or {}
    scores = [float(value) for name, value in results.items() if name != "loss"]
    return {"score": scores[0] if scores else None, **paths}


def _label_dict(config: RunConfig) -> str:
    part = config.Infer.PostProcess
    return str(part.args.get("class_id_map_file") or "") if part else ""
